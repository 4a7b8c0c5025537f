"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..core.result import ERFResult
from .map import draw_map, label_of
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
    panel, legend = 2.0 * tall + 0.75, 0.75  # inches
    if all(result.kind != 'erf' for result in results.values()):
        legend = 0.02  # attention has no squares to name
    with style():
        fig = Figure(
            figsize=(2.6 * columns + 0.9, (panel + legend) * rows + 0.3),
            dpi=120,
        )
        fig.set_layout_engine('constrained')
        grid = fig.subplots(
            2 * rows,
            columns,
            squeeze=False,
            gridspec_kw={'height_ratios': [panel, legend] * rows},
        )
        maps, legends = grid[::2].ravel(), grid[1::2].ravel()
        for ax in (*maps[count:], *legends):
            ax.set_axis_off()
        axes = maps[:count]
        for ax, below, (layer, result) in zip(
            axes, legends, results.items(), strict=False
        ):
            image = draw_map(ax, result, normalization, cmap)
            ax.set_title('\n'.join(wrap(layer, 26)))
            _legend(below, ax)
        for index, ax in enumerate(axes):
            if index % columns:
                ax.set_ylabel('')
        bar = fig.colorbar(image, ax=list(maps), shrink=0.8, pad=0.01)
        bar.set_label(label_of(next(iter(results.values())), normalization))
        if title:
            fig.suptitle(title)
    return fig, axes


def _legend(below: Axes, ax: Axes) -> None:
    """The squares' sides and the unit, in a panel of their own."""
    handles = ax.get_legend_handles_labels()[0]
    if not handles:  # a picture of attention
        return
    below.legend(
        handles=handles,
        loc='upper center',
        facecolor='#3b3b45',
        labelcolor='white',
        edgecolor='none',
        fontsize=7.5,
        ncols=2,
        columnspacing=0.8,
        handlelength=1.6,
        borderaxespad=0,
    )
