"""One layer, asked several questions, side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ..core.result import ERFResult
from .figure import Figure
from .layers import plot_layers
from .style import CMAP


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
    fig, axes = plot_layers(
        results, normalization=normalization, cmap=cmap, title=title
    )
    if reach is None:
        first = next(iter(results.values()))
        reach = max(first.input_size or first.map.shape) // 2
    for number, (ax, result) in enumerate(
        zip(axes, results.values(), strict=True)
    ):
        y, x = result.center
        ax.set_xlim(x - reach, x + reach)
        ax.set_ylim(y + reach, y - reach)
        ax.set_facecolor('black')  # beyond every image's frame
        for axis, centre in ((ax.xaxis, x), (ax.yaxis, y)):
            step = max(reach // 2, 1)
            axis.set_major_locator(MultipleLocator(step, offset=centre))
            axis.set_major_formatter(
                FuncFormatter(lambda value, _, at=centre: f'{value - at:g}')
            )
        sides = ax.get_xlabel()
        ax.set_xlabel(f'x from the unit (px)\n{sides}', linespacing=1.4)
        ax.set_ylabel('' if number else 'y from the unit (px)')
    fig.set_layout_engine('compressed')  # anew, since labels have grown
    fig.settle()
    return fig, axes
