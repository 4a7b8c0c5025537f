"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import label_of
from .drawing.panels import (
    NARROW,
    gap_between,
    panel_size,
    shared_bar,
    shared_legend,
    sides_below,
    titles,
)
from .drawing.style import CMAP, style
from .drawing.text import wrapped
from .map import draw_map

_ACROSS = 5  # layers in a row of the figure
_FROM = '{} from the unit (px)'


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
    shapes = {result.map.shape for result in results.values()}
    return draw_panels(
        results,
        max(height / width for height, width in shapes),
        apart=len(shapes) > 1,
        normalization=normalization,
        cmap=cmap,
        title=title,
        image=image,
    )


def draw_panels(
    results: Mapping[str, ERFResult],
    tall: float,
    *,
    apart: bool = False,
    about: int | None = None,
    normalization: str,
    cmap: str,
    title: str | None,
    image: np.ndarray | None = None,
) -> tuple[Figure, np.ndarray]:
    """The figure of :func:`plot_layers`, or of parts of the maps.

    Args:
        results: As for :func:`plot_layers`.
        tall (float): Height of a panel, over its width.
        apart (bool): Numbers beside every panel, for they differ.
        about (int, optional): Pixels to show to each side of the unit.
        normalization, cmap, title, image: As for :func:`plot_layers`.
    """
    count = len(results)
    columns = min(count, _ACROSS)
    rows = -(-count // columns)
    width, height, across = panel_size(columns, tall, gap_between(apart))
    per_line = 1 if width < NARROW else 2
    with style():
        fig = Figure(figsize=(across, 1), dpi=150)
        fig.set_layout_engine('compressed')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid[count:]:
            ax.set_axis_off()
        axes = grid[:count]
        above = titles(axes, results, width)
        below = 0.0
        for number, (ax, result) in enumerate(
            zip(axes, results.values(), strict=True)
        ):
            shown = draw_map(ax, result, normalization, cmap, image=image)
            head = ''
            if about is not None:
                _center_on_unit(ax, result, about, ticks=per_line)
                head = wrapped(_FROM.format('x'), width, 6.5)
                ax.set_ylabel(wrapped(_FROM.format('y'), height, 8))
            sides = sides_below(ax, result, per_line=per_line, head=head)
            below = max(below, sides)
            if number % columns:
                ax.set_ylabel('')
                ax.tick_params(labelleft=apart)
        label = label_of(next(iter(results.values())), normalization)
        shared_bar(fig, shown, grid, label, height * rows)
        under = shared_legend(fig, axes, results.values())
        if title:
            fig.suptitle(title)
            under += 0.2
        fig.set_figheight((above + height + below + 0.48) * rows + under + 0.1)
        fig.settle()
    return fig, axes


def _center_on_unit(
    ax: Axes, result: ERFResult, reach: int, ticks: int
) -> None:
    """Show as many pixels to each side of the unit, and number them so."""
    y, x = result.center
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y + reach, y - reach)
    ax.set_facecolor('black')  # beyond every image's frame
    for axis, centre in ((ax.xaxis, x), (ax.yaxis, y)):
        step = max(reach // ticks, 1)
        axis.set_major_locator(MultipleLocator(step, offset=centre))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _, at=centre: f'{value - at:g}')
        )
