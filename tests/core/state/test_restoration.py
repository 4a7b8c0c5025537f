"""Every callback runs, and what is interrupted goes on."""

import pytest

from mmerf.core.state.restoration import run_all


def test_every_callback_runs_whatever_the_others_raise():
    ran = []

    def fails():
        ran.append('fails')
        raise ValueError('first')

    def interrupted():
        ran.append('interrupted')
        if ran.count('interrupted') == 1:
            raise KeyboardInterrupt

    with pytest.raises((ValueError, KeyboardInterrupt)):
        run_all([lambda: ran.append('last'), fails, interrupted])
    assert ran == ['interrupted', 'interrupted', 'fails', 'last']
