"""What tests of runs share."""

import pytest

from mmerf.engine import theory
from mmerf.plots.drawing.figure import Figure


@pytest.fixture(autouse=True)
def _without_theory(request, monkeypatch):
    """Leave out the search for theoretical fields, seconds in every run.

    It has its own tests; a run that shall find them is marked ``theory``.
    """
    if request.node.get_closest_marker('theory') is None:
        monkeypatch.setattr(theory, 'add_theory', lambda measurement: [])


@pytest.fixture(autouse=True)
def _without_compressed_layout(monkeypatch):
    """Draw pictures where their parts happen to lie.

    Laying out is a third of a small training's time; figures have tests of
    their own.
    """
    monkeypatch.setattr(
        Figure, 'settle', lambda self: self.set_layout_engine('none')
    )
