"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.look import Look
from .panel_grid import draw_grid


def plot_layers(
    results: Mapping[str, ERFResult],
    *,
    title: str | None = None,
    image: np.ndarray | None = None,
    **look: Any,
) -> tuple[Figure, np.ndarray]:
    """Maps of several layers; each is normalised to 0 to 1 by itself.

    All panels show as many pixels about the unit. The sides of the squares
    are written below each map.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        title (str, optional): Title of the whole figure.
        image (np.ndarray, optional): Image to draw under the maps, of their
            (H, W), grey or with channels.
        **look: Attributes of ``drawing.look.Look``: ``normalization``,
            ``cmap``, ``width``, ``style``, ``inset``.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order,
        shape (layers,).

    Raises:
        ConfigError: If a setting is unknown, or the image's size is not that
            of every map.
    """
    fig, axes = draw_grid(
        [list(results.values())],
        list(results),
        look=Look(**look),
        title=title,
        image=image,
    )
    return fig, axes[0]
