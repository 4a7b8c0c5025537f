"""One layer, asked several questions, side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.style import CMAP
from .layers import draw_panels


def plot_questions(
    results: Mapping[str, ERFResult],
    *,
    reach: int | None = None,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Maps of several targets, each about its own unit, at one size.

    Args:
        results (mapping of str to ERFResult): By question, in drawing order.
        reach (int, optional): Pixels shown to each side of the unit; None for
            half of the first result's image.
        normalization, cmap (str): As for ``plot_layers``.
        title (str, optional): Over the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in their order.
    """
    if reach is None:
        first = next(iter(results.values()))
        reach = max(first.input_size or first.map.shape) // 2
    return draw_panels(
        results,
        1,
        about=reach,
        normalization=normalization,
        cmap=cmap,
        title=title,
    )
