"""Maps of one layer for several targets, side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.normalization import CMAP
from .layers import draw_panels


def plot_questions(
    results: Mapping[str, ERFResult],
    *,
    reach: int | None = None,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Maps of several targets, each centred on its own unit.

    All panels show the same number of pixels.

    Args:
        results (mapping of str to ERFResult): By the panel's title, in
            drawing order.
        reach (int, optional): Pixels shown to each side of the unit; None for
            half of the longer side of the first result's image.
        normalization, cmap (str): As for ``plot_layers``.
        title (str, optional): Title of the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in drawing order,
        shape (results,).

    Raises:
        ConfigError: If the normalisation is unknown.
    """
    if reach is None:
        first = next(iter(results.values()))
        reach = max(first.input_size or first.map.shape) // 2
    return draw_panels(
        results,
        1,
        reach=reach,
        normalization=normalization,
        cmap=cmap,
        title=title,
    )
