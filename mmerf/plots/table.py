"""Overview figures of a run, by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .layers import plot_layers
from .profile import plot_profile


class Overview(NamedTuple):
    """One figure of all layers of a run.

    Attributes:
        draw (callable): ``draw(results, style)`` gives the figure; results
            by layer, style as keyword arguments of :func:`plot_layers`:
            ``image`` and the attributes of ``drawing.look.Look``.
        attention (bool): Whether pictures of attention are drawn too; else
            only ERFs are, and without one there is no figure.
    """

    draw: Callable[[Mapping[str, ERFResult], Mapping[str, Any]], Figure]
    attention: bool


def _layers(results: Mapping[str, ERFResult], style: Mapping) -> Figure:
    return plot_layers(results, **style)[0]


def _profile(results: Mapping[str, ERFResult], style: Mapping) -> Figure:
    return plot_profile(results, width=style.get('width', 'page'))[0]


OVERVIEWS: dict[str, Overview] = {
    'erf': Overview(_layers, attention=True),
    'profile': Overview(_profile, attention=False),
}
