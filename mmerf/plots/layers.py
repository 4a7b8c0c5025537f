"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure

from ..core.result import ERFResult
from .map import draw_map
from .normalization import LABELS
from .style import CMAP, style

_ACROSS = 5  # layers in a row of the figure


def plot_layers(
    results: Mapping[str, ERFResult],
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
) -> tuple[Figure, np.ndarray]:
    """Every layer's map, their normalised values sharing 0 to 1.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Any matplotlib colour map.
        title (str, optional): Over the whole figure.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order.
    """
    count = len(results)
    columns = min(count, _ACROSS)
    rows = -(-count // columns)
    shapes = [result.map.shape for result in results.values()]
    tall = min(max(max(h / w for h, w in shapes), 0.5), 1.6)
    with style():
        fig = Figure(
            figsize=(2.6 * columns + 0.9, (2.15 * tall + 1.4) * rows + 0.2),
            dpi=120,
        )
        fig.set_layout_engine('constrained')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid[count:]:
            ax.set_axis_off()
        axes = grid[:count]
        for ax, (layer, result) in zip(axes, results.items(), strict=True):
            image = draw_map(ax, result, normalization, cmap)
            ax.set_title('\n'.join(wrap(layer, 26)))
            ax.legend(
                loc='upper center',
                bbox_to_anchor=(0.5, -0.22),
                facecolor='#3b3b45',
                labelcolor='white',
                edgecolor='none',
                fontsize=7.5,
                ncols=2,
                columnspacing=0.8,
                handlelength=1.6,
            )
        for index, ax in enumerate(axes):
            if index % columns:
                ax.set_ylabel('')
        bar = fig.colorbar(image, ax=list(grid), shrink=0.8, pad=0.01)
        bar.set_label(LABELS[normalization])
        if title:
            fig.suptitle(title)
    return fig, axes
