"""Maps of one layer for several targets, side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.view import common_view
from .panel_grid import draw_grid


def plot_questions(
    results: Mapping[str, ERFResult],
    *,
    reach: int | None = None,
    title: str | None = None,
    **look: Any,
) -> tuple[Figure, np.ndarray]:
    """Maps of several targets, each centred on its own unit.

    All panels show the same number of pixels.

    Args:
        results (mapping of str to ERFResult): By the panel's title, in
            drawing order.
        reach (int, optional): Pixels shown to each side of the unit; None for
            1.2 times the largest square.
        title (str, optional): Title of the whole figure.
        **look: As for ``plot_layers``.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in drawing order,
        shape (results,).

    Raises:
        ConfigError: If a setting is unknown.
    """
    fig, axes = draw_grid(
        [list(results.values())],
        list(results),
        look=Look(**look),
        view=common_view(results.values(), reach),
        title=title,
    )
    return fig, axes[0]
