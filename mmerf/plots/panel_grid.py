"""A grid of maps that share one view, one scale and one legend."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.marks import add_scale_bar, color_label
from .drawing.panels import (
    add_colorbar,
    add_legend_and_note,
    bar_scale,
    contour_note,
    draw_titles,
    legend_handles,
    view_note,
    weight_of,
)
from .drawing.sheet import sheet
from .drawing.style import style
from .drawing.text import LINE_HEIGHT, settings_of, wrap_text
from .drawing.view import IMAGE_MARGIN, MARGIN, View, common_view
from .map import draw_map, image_note
from .numbers_below import (
    bounds_note,
    missing_reasons,
    some_fields_missing,
    write_numbers,
)

_ROW_SIZE = 7.5  # points of a row's name
_TITLE = 0.22  # inches for the title of the figure
_MAX_NAME_LINES = 5  # of a row's name

Cells = Sequence[Sequence[ERFResult | None]]


def draw_grid(
    cells: Cells,
    columns: Sequence[str],
    rows: Sequence[str] = ('',),
    *,
    look: Look,
    view: View | None = None,
    title: str | None = None,
    image: np.ndarray | None = None,
    missing: Mapping[tuple[int, int], str] | None = None,
    bold: Container[str] = (),
    note: str = '',
) -> tuple[Figure, np.ndarray]:
    """Draw results as panels that show as many pixels about their units.

    A grid that is too wide for the figure is folded: its further columns are
    drawn below the first ones.

    Args:
        cells (sequence of sequences): Results, rows down and columns across;
            None for an empty panel.
        columns, rows (sequence of str): Their names; ``''`` for none.
        look (Look): Colours, width and marks.
        view (View, optional): What the panels show; None for
            ``common_view`` of the results.
        title (str, optional): Of the whole figure.
        image (np.ndarray, optional): To draw under the maps, of their (H, W).
        missing (mapping, optional): What to write into an empty panel, by row
            and column.
        bold (container of str): Names to be written in bold.
        note (str): To be written below all panels, behind what is shown.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (rows, columns).

    Raises:
        ConfigError: If the image's size is not that of every map.
    """
    found = [one for row in cells for one in row if one is not None]
    margin = MARGIN if image is None else IMAGE_MARGIN
    view = view or common_view(found, margin=margin)
    with style():
        left, names = _row_names(rows, len(columns), view.aspect, look, bold)
        plan = sheet(len(rows), len(columns), view.aspect, look, left)
        wide, high = plan.panel
        fig = Figure(figsize=(plan.width, 1), dpi=150)
        axes = np.empty((len(rows), len(columns)), dtype=object)
        panels: list[tuple[Axes, ERFResult]] = []
        bars: dict[tuple[int, int], Axes] = {}
        filled = [
            p for p in np.ndindex(axes.shape) if cells[p[0]][p[1]] is not None
        ]
        lit = [one for one in found if one.map.any()]
        scaled: ERFResult | None = (lit or found)[0]  # gets the scale bar
        for place in np.ndindex(axes.shape):
            ax = axes[place] = fig.add_axes((0, 0, 0.5, 0.5), label=str(place))
            ax.set(xticks=[], yticks=[])
            result = cells[place[0]][place[1]]
            if result is None:
                text = (missing or {}).get(place, '')
                span = _empty_beside(cells, missing or {}, place, plan.across)
                _leave_empty(ax, text, (wide, high), span)
                continue
            drawn = draw_map(ax, result, look, image=image, view=view)
            panels.append((ax, result))
            if look.colorbars == 'each':
                last = place == max(p for p in filled if p[0] == filled[0][0])
                label = color_label(result, look) if last else ''
                bars[place] = add_colorbar(
                    fig, drawn, label, high, **bar_scale(result, look)
                )
            if result is scaled:
                add_scale_bar(ax)
                scaled = None
        for row, column in plan.first_of_rows():
            axes[row, column].set_ylabel(
                names[row],
                fontsize=_ROW_SIZE,
                labelpad=3,
                parse_math=False,
                fontweight=weight_of(rows[row], bold),
            )
        above = draw_titles(axes[0], columns, wide, bold) + 0.07
        if look.colorbars == 'shared':
            bars[0, plan.across - 1] = add_colorbar(
                fig,
                drawn,
                color_label(found[0], look),
                high,
                **bar_scale(found[0], look),
            )
        below, handles, foot = 0.03, [], ''
        if look.marked or look.contours:
            numbers, sides = write_numbers(panels, wide, look)
            below = numbers + 0.06
            handles = legend_handles(list(axes.flat), found, look)
            foot = contour_note(found[0], look) + view_note(view, found)
            foot += sides + bounds_note(found) + image_note(image, found)
            if some_fields_missing(panels):
                foot += missing_reasons(found)
            foot += note
        margin, place_foot = add_legend_and_note(fig, handles, foot)
        top = _TITLE if title else 0.0
        plan.place(fig, axes, bars, above, below, (top, margin + 0.04))
        place_foot()
        if title:
            fig.suptitle(title, y=1 - 0.04 / fig.get_figheight(), va='top')
    return fig, axes


def _row_names(
    names: Sequence[str],
    columns: int,
    aspect: float,
    look: Look,
    bold: Container[str],
) -> tuple[float, list[str]]:
    """Inches to the left of the panels, and the names in lines that fit."""
    if not any(names):
        return 0.0, list(names)
    lines = names
    left = 0.0
    for _ in range(2):  # the names' room depends on the panels', and these on
        _, high = sheet(len(names), columns, aspect, look, left).panel
        lines = [
            _row_name(name, high, weight_of(name, bold)) for name in names
        ]
        most = max(line.count('\n') for line in lines) + 1
        left = most * _ROW_SIZE * LINE_HEIGHT + 0.06
    return left, list(lines)


def _row_name(name: str, room: float, weight: str) -> str:
    """A row's name; if it is long, one line per setting in it."""
    lines = wrap_text(name, room, _ROW_SIZE, weight=weight)
    if '\n' not in lines:
        return lines
    lines = '\n'.join(
        wrap_text(part, room, _ROW_SIZE, weight=weight)
        for part in settings_of(name, keep_comma=True)
    )
    if lines.count('\n') < _MAX_NAME_LINES:
        return lines
    most = _MAX_NAME_LINES
    return wrap_text(name, room, _ROW_SIZE, max_lines=most, weight=weight)


def _empty_beside(
    cells: Cells,
    missing: Mapping[tuple[int, int], str],
    place: tuple[int, int],
    across: int,
) -> int:
    """How many panels from here to the right a text may lie on."""
    row, first = place
    end = min((first // across + 1) * across, len(cells[row]))
    for column in range(first + 1, end):
        if cells[row][column] is not None or missing.get((row, column)):
            return column - first
    return end - first


def _leave_empty(
    ax: Axes, text: str, panel: tuple[float, float], span: int
) -> None:
    """A panel without a map; its names stay, and a text says why."""
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_facecolor('none')
    ax.set_zorder(2)  # over the empty panels beside it
    size = 6.5
    room = max(int(panel[1] / (size * LINE_HEIGHT)), 1)
    ax.text(
        0.02,
        0.5,
        wrap_text(text, panel[0] * span - 0.04, size, max_lines=room),
        transform=ax.transAxes,
        va='center',
        fontsize=size,
        color='#555555',
        parse_math=False,
    )
