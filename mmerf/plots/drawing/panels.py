"""What stands around panels: names, numbers, a legend and a colour bar."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from ...core.results.erf_result import ERFResult
from .look import Look
from .marks import drawn_shares, is_seen, square_lines
from .style import LEGEND_STYLE, THEORY_STYLE, UNIT_STYLE
from .text import LINE_HEIGHT, wrap_text
from .view import View

NARROW_PANEL = 1.5  # inches; a narrower panel has smaller text
NUMBER_SIZE = 6.5  # points
NOTE_COLOR = '#444444'
BARS = 'bars: standard error over images'
UNIT_LABEL = 'place of the output unit'
_BAR_LABEL = 0.8  # inches; a lower panel is lower than its bar's label


def title_size(panel_width: float) -> float:
    """Font size of the names over panels, points."""
    return 7.0 if panel_width < NARROW_PANEL else 8.5


def weight_of(name: str, bold: Container[str]) -> str:
    """Weight of a name: ``'bold'`` or ``'normal'``."""
    return 'bold' if name in bold else 'normal'


def draw_titles(
    axes: Iterable[Axes],
    names: Sequence[str],
    panel_width: float,
    bold: Container[str] = (),
) -> float:
    """Write names over panels, smaller if these are narrow.

    Args:
        axes, names (iterable): The panels, and the name of each.
        panel_width (float): Inches.
        bold (container of str): Names to be written in bold.

    Returns:
        float: Height of the highest title, inches.
    """
    size = title_size(panel_width)
    texts = []
    for ax, name in zip(axes, names, strict=True):
        weight = weight_of(name, bold)
        texts.append(wrap_text(name, panel_width, size, weight=weight))
        ax.set_title(
            texts[-1],
            fontsize=size,
            pad=3,
            parse_math=False,
            fontweight=weight,
        )
    if not any(texts):
        return 0.0
    return max(text.count('\n') + 1 for text in texts) * size * LINE_HEIGHT


def legend_handles(
    axes: Sequence[Axes], results: Sequence[ERFResult], look: Look
) -> list[Artist]:
    """What is drawn on the panels; nothing that lies off all of them.

    Args:
        axes (sequence of Axes): Panels.
        results (sequence of ERFResult): The results that they show; without
            an ERF among them there is nothing to name.
        look (Look): Whether all squares are drawn, and other marks.
    """
    first = next((result for result in results if result.kind == 'erf'), None)
    if first is None:  # pictures of attention have no squares
        return []
    handles: list[Artist] = []
    lines = square_lines(drawn_shares(first, look))
    for share, (color, dash) in lines.items():
        if any(is_seen(ax, f'square {share}') for ax in axes):
            line = Line2D([], [], color=color, linewidth=1.3)
            line.set(linestyle=dash, label=f'holds {share * 100:g} %')
            handles.append(line)
    if not look.marked:
        return handles
    if any(is_seen(ax, 'theory') for ax in axes):
        handles.append(
            Line2D([], [], label='theoretical field', **THEORY_STYLE)
        )
    unit = Line2D([], [], linestyle='none', label=UNIT_LABEL, **UNIT_STYLE)
    return [*handles, unit]


def legend_below(
    fig: Figure,
    handles: Sequence[Artist],
    max_columns: int = 6,
    **legend_style: Any,
) -> float:
    """Draw a legend below the axes, in as many columns as fit the figure.

    Args:
        fig (Figure): The figure.
        handles (sequence of Artist): What the legend names.
        max_columns (int): At most so many entries side by side.
        **legend_style: Of ``Figure.legend``; ``loc`` as well, where the
            figure has no layout engine.

    Returns:
        float: Height of the legend, inches.
    """
    legend_style.setdefault('loc', 'outside lower center')
    for columns in range(min(len(handles), max_columns), 0, -1):
        legend = fig.legend(handles=handles, ncols=columns, **legend_style)
        for text in legend.get_texts():
            lines = wrap_text(text.get_text(), fig.get_figwidth() - 0.6, 7)
            text.set(text=lines, parse_math=False)
        box = legend.get_window_extent()
        if box.width < fig.bbox.width - 6 or columns == 1:
            break
        legend.remove()
    return box.height / fig.dpi


def add_legend_and_note(
    fig: Figure, handles: Sequence[Artist], note: str
) -> tuple[float, Any]:
    """Add a legend with a note under it; nothing where both are empty.

    Returns:
        tuple: Their height, inches, and a function that places them at the
        figure's foot once its height is set.
    """
    lines = _note_lines(note, fig.get_figwidth() - 0.1)
    below = note_height = 0.0
    if note:
        note_height = (lines.count('\n') + 1) * NUMBER_SIZE * LINE_HEIGHT
        below = note_height + 0.06
    tall = 0.0
    if handles:
        tall = legend_below(
            fig, handles, loc='lower center', borderaxespad=0, **LEGEND_STYLE
        )

    def place() -> None:
        height = fig.get_figheight()
        if note:
            _write_foot(fig, lines)
        for legend in fig.legends:
            legend.set_bbox_to_anchor((0, (below + 0.03) / height, 1, 1))

    return below + tall + 0.06 * bool(handles), place


def add_foot(fig: Figure, note: str) -> None:
    """Write a note at the foot of a figure, which becomes higher by it.

    Args:
        fig (Figure): With a constrained layout and, if any, a legend outside
            of its axes, which moves over the note.
        note (str): Nothing is done for an empty one.
    """
    if not note:
        return
    lines = wrap_text(note, 0.94 * fig.get_figwidth(), NUMBER_SIZE)
    foot = (lines.count('\n') + 1) * NUMBER_SIZE * LINE_HEIGHT + 0.05
    height = fig.get_figheight() + foot
    fig.set_figheight(height)
    _write_foot(fig, lines)
    for legend in fig.legends:  # the layout keeps no room for it any more
        tall = legend.get_window_extent().height / fig.dpi
        legend.set_bbox_to_anchor((0, foot / height, 1, 1))
        foot += tall + 0.06
    rest = (0, foot / height, 1, 1 - foot / height)
    layout = fig.get_layout_engine()
    assert isinstance(layout, ConstrainedLayoutEngine)
    layout.set(rect=rest)


def _write_foot(fig: Figure, lines: str) -> None:
    fig.text(
        0.5,
        0.03 / fig.get_figheight(),
        lines,
        ha='center',
        va='bottom',
        fontsize=NUMBER_SIZE,
        color=NOTE_COLOR,
        parse_math=False,
    )


def _note_lines(note: str, width: float) -> str:
    """A note in one line, or one line for each of its parts."""
    lines = wrap_text(note, width, NUMBER_SIZE)
    if '\n' not in lines:
        return lines
    parts = note.split('; ')
    return '\n'.join(wrap_text(part, width, NUMBER_SIZE) for part in parts)


def bar_scale(result: ERFResult, look: Look) -> dict[str, Any]:
    """Ticks of a map's colour bar, and their labels where it is its own."""
    if look.colorbars == 'shared':
        return {'ticks': [0, 0.5, 1]}
    peak = float(result.map.max())
    ends = {0.0: '0', 1.0: _short_number(peak)} if peak else {0.0: '0'}
    return {'ticks': list(ends), 'format': lambda x, _: ends.get(x, '')}


def _short_number(value: float) -> str:
    if 0.01 <= value < 1000:
        return f'{value:.2g}' if value < 100 else f'{value:.0f}'
    digits, exponent = f'{value:.1e}'.split('e')
    return f'{digits}e{int(exponent)}'


def add_colorbar(
    fig: Figure, image: Any, label: str, height: float, **scale: Any
) -> Axes:
    """Add a colour bar of panels, or of one.

    Args:
        fig (Figure): The figure.
        image (AxesImage): One of the maps.
        label (str): What the colours stand for.
        height (float): Of a panel, inches.
        **scale: As ``bar_scale`` gives it.

    Returns:
        Axes: The bar's, to be placed beside a panel.
    """
    axes = fig.add_axes((0.9, 0.1, 0.02, 0.8))
    bar = fig.colorbar(image, cax=axes, **scale)
    bar.ax.tick_params(labelsize=NUMBER_SIZE, length=2, pad=1.5)
    if 'format' in scale:  # numbers of two bars must not meet
        low, *high = bar.ax.get_yticklabels()
        low.set_verticalalignment('bottom')
        for text in high:
            text.set_verticalalignment('top')
    if height < 1.1:
        label = label.replace(' / ', '\n/ ')
    if height < 1.6:
        label = label.replace(', ', ',\n')
    if height < _BAR_LABEL:  # the label hangs down beyond its bar
        bar.set_label(label, fontsize=6, labelpad=2, loc='top')
    else:
        bar.set_label(label, fontsize=NUMBER_SIZE, labelpad=2)
    return axes


def contour_note(result: ERFResult, look: Look) -> str:
    """What the outlines are where all shares' are drawn; else nothing."""
    if not look.contours or result.kind != 'erf':
        return ''
    shares = ', '.join(f'{x * 100:g}' for x in drawn_shares(result, look))
    return (
        f'contours: the smallest squares about the unit that hold {shares} % '
        'of the contribution, with their sides in px; '
    )


def view_note(view: View, results: Sequence[ERFResult]) -> str:
    """What the panels show, and the size of the images that they are from."""
    sizes = {result.input_size for result in results}
    canvas = None in sizes  # of images that differ in size
    if canvas:
        sizes = {result.map.shape[:2] for result in results}
    text = ', '.join(f'{h} x {w}' for h, w in sorted(filter(None, sizes)))
    text = f'{"canvas of all images" if canvas else "image"}: {text} px'
    if view.whole:
        return text
    height, width = view.size
    return f'shown: {height} x {width} px about the unit; {text}'
