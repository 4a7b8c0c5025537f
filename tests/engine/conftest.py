"""What tests of runs share."""

import pytest

from mmerf.engine import theory


@pytest.fixture(autouse=True)
def _without_theory(request, monkeypatch):
    """Leave out the search for theoretical fields, seconds in every run.

    It has its own tests; a run that shall find them is marked ``theory``.
    """
    if request.node.get_closest_marker('theory') is None:
        monkeypatch.setattr(theory, 'add_theory', lambda measurement: None)
