"""Several layers side by side, on one scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.marks import color_label
from .drawing.normalization import CMAP
from .drawing.panels import (
    NARROW_PANEL,
    draw_titles,
    panel_gap,
    panel_size,
    shared_colorbar,
    shared_legend,
    write_sides,
)
from .drawing.style import style
from .drawing.text import wrap_text
from .map import draw_map

_MAX_COLUMNS = 5
_OFFSET_LABEL = '{} from the unit (px)'


def plot_layers(
    results: Mapping[str, ERFResult],
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    title: str | None = None,
    image: np.ndarray | None = None,
) -> tuple[Figure, np.ndarray]:
    """Maps of several layers; each is normalised to 0 to 1 by itself.

    The figure is as wide as a page of a paper. The sides of the squares are
    written below each map.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        normalization (str): 'power', 'log10', 'sqrt' or 'linear'.
        cmap (str): Name of a matplotlib colour map.
        title (str, optional): Title of the whole figure.
        image (np.ndarray, optional): Image to draw under the maps, of their
            (H, W), grey or with channels.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in layer order,
        shape (layers,).

    Raises:
        ConfigError: If the normalisation is unknown, or the image's size is
            not that of every map.
    """
    shapes = {result.map.shape for result in results.values()}
    return draw_panels(
        results,
        max(height / width for height, width in shapes),
        scales_differ=len(shapes) > 1,
        normalization=normalization,
        cmap=cmap,
        title=title,
        image=image,
    )


def draw_panels(
    results: Mapping[str, ERFResult],
    aspect: float,
    *,
    scales_differ: bool = False,
    reach: int | None = None,
    normalization: str,
    cmap: str,
    title: str | None,
    image: np.ndarray | None = None,
) -> tuple[Figure, np.ndarray]:
    """Draw a grid of maps, whole or cut to the pixels about the unit.

    Args:
        results: As for :func:`plot_layers`.
        aspect (float): Height of a panel over its width.
        scales_differ (bool): Whether every panel needs tick labels of its
            own, as maps of different size do.
        reach (int, optional): Show only this many pixels to each side of the
            unit; None for whole maps.
        normalization, cmap, title, image: As for :func:`plot_layers`.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes in the order of
        the results, shape (results,).

    Raises:
        ConfigError: As :func:`plot_layers` does.
    """
    count = len(results)
    columns = min(count, _MAX_COLUMNS)
    rows = -(-count // columns)
    width, height, figure_width = panel_size(
        columns, aspect, panel_gap(scales_differ)
    )
    per_line = 1 if width < NARROW_PANEL else 2
    with style():
        fig = Figure(figsize=(figure_width, 1), dpi=150)
        fig.set_layout_engine('compressed')
        grid = fig.subplots(rows, columns, squeeze=False).ravel()
        for ax in grid[count:]:
            ax.set_axis_off()
        axes = grid[:count]
        inches_above = draw_titles(axes, results, width)
        inches_below = 0.0
        for number, (ax, result) in enumerate(
            zip(axes, results.values(), strict=True)
        ):
            drawn = draw_map(ax, result, normalization, cmap, image=image)
            head = ''
            if reach is not None:
                _center_on_unit(ax, result, reach, ticks=per_line)
                head = wrap_text(_OFFSET_LABEL.format('x'), width, 6.5)
                ax.set_ylabel(wrap_text(_OFFSET_LABEL.format('y'), height, 8))
            taken = write_sides(ax, result, per_line=per_line, head=head)
            inches_below = max(inches_below, taken)
            if number % columns:
                ax.set_ylabel('')
                ax.tick_params(labelleft=scales_differ)
        label = color_label(next(iter(results.values())), normalization)
        shared_colorbar(fig, drawn, grid, label, height * rows)
        legend = shared_legend(fig, axes, results.values())
        if title:
            fig.suptitle(title)
            legend += 0.2
        row = inches_above + height + inches_below + 0.48
        fig.set_figheight(row * rows + legend + 0.1)
        fig.settle()
    return fig, axes


def _center_on_unit(
    ax: Axes, result: ERFResult, reach: int, ticks: int
) -> None:
    """Show ``reach`` pixels to each side of the unit, which is labelled 0."""
    y, x = result.center
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y + reach, y - reach)
    ax.set_facecolor('black')  # outside the map
    for axis, centre in ((ax.xaxis, x), (ax.yaxis, y)):
        step = max(reach // ticks, 1)
        axis.set_major_locator(MultipleLocator(step, offset=centre))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _, at=centre: f'{value - at:g}')
        )
