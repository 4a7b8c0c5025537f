"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.result import ERFResult
from .figure import Figure
from .map import draw_map
from .marks import label_of
from .panels import (
    figure_width,
    panel_size,
    shared_bar,
    shared_legend,
    sides_below,
    wrapped,
)
from .style import CMAP, style

_ACROSS = 5  # layers in a row of the figure


def plot_layers(
    results: Mapping[str, ERFResult],
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
    image: np.ndarray | None = None,
) -> tuple[Figure, np.ndarray]:
    """Every layer's map, their normalised values sharing 0 to 1.

    As wide as a page of a paper; the sides of the squares stand below each
    map.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Any matplotlib colour map.
        title (str, optional): Over the whole figure.
        image (np.ndarray, optional): To lie under the maps, of their (H, W).

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order.

    Raises:
        ConfigError: If the image has another size than a map.
    """
    count = len(results)
    columns = min(count, _ACROSS)
    rows = -(-count // columns)
    shapes = [result.map.shape for result in results.values()]
    width, height = panel_size(columns, max(h / w for h, w in shapes))
    with style():
        fig = Figure(
            figsize=(
                figure_width(columns, width),
                (height + 0.72) * rows + 0.45,
            ),
            dpi=150,
        )
        fig.set_layout_engine('compressed')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid[count:]:
            ax.set_axis_off()
        axes = grid[:count]
        for number, (ax, (layer, result)) in enumerate(
            zip(axes, results.items(), strict=True)
        ):
            shown = draw_map(ax, result, normalization, cmap, image=image)
            ax.set_title(wrapped(layer, width))
            sides_below(ax, result)
            if number % columns:
                ax.set_ylabel('')
                ax.tick_params(labelleft=len(set(shapes)) > 1)
        label = label_of(next(iter(results.values())), normalization)
        shared_bar(fig, shown, grid, label)
        shared_legend(fig, results.values())
        if title:
            fig.suptitle(title)
        fig.settle()
    return fig, axes
