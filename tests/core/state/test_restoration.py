"""Every callback runs, and what is interrupted goes on."""

import gc

import pytest

from mmerf.core.state.restoration import run_all, uncollected


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


@pytest.mark.parametrize('enabled', [True, False])
def test_the_collector_runs_again_where_it_did(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(KeyError), uncollected():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
