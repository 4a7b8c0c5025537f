"""What figures of several maps share: panel sizes, titles, one legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...core.results.erf_result import ERFResult
from .marks import shows_theory, square_line, square_sides
from .style import LEGEND_STYLE, PAGE_WIDTH, THEORY_STYLE, UNIT_STYLE
from .text import LINE_HEIGHT, wrap_text

_MARGIN = 1.3  # inches left and right of the panels: numbers, colour bar
NARROW_PANEL = 1.5  # inches; a narrower panel has smaller text


def panel_gap(numbers: bool) -> float:
    """Inches between two panels, with or without tick labels there."""
    return 0.42 if numbers else 0.12


def panel_size(
    columns: int, aspect: float, gap: float, left: float = 0
) -> tuple[float, float, float]:
    """Size of the panels that fill the width of a page, in inches.

    Args:
        columns (int): Panels side by side.
        aspect (float): Height of a panel's content over its width.
        gap (float): Inches between two panels.
        left (float): Inches for long labels to the left of the panels.

    Returns:
        tuple[float, float, float]: A panel's width, its height, and the
        figure's width.
    """
    room = (PAGE_WIDTH - _MARGIN - left) / columns - gap
    width = min(max(room, 0.95), 2.0)
    height = width * min(max(aspect, 0.25), 1.8)
    return width, height, (width + gap) * columns + _MARGIN + left


def draw_titles(
    axes: Iterable[Axes], names: Iterable[str], panel_width: float
) -> float:
    """Write names over panels, smaller if these are narrow.

    Returns:
        float: Height of the highest title, inches.
    """
    size = 7.0 if panel_width < NARROW_PANEL else 8.5
    texts = [wrap_text(name, panel_width, size) for name in names]
    for ax, text in zip(axes, texts, strict=True):
        ax.set_title(text, fontsize=size, parse_math=False)
    return max(text.count('\n') + 1 for text in texts) * size * LINE_HEIGHT


def write_sides(
    ax: Axes,
    result: ERFResult,
    shares: Sequence[float] | None = None,
    per_line: int = 2,
    head: str = '',
) -> float:
    """Write the squares' sides below a panel.

    Args:
        ax (Axes): The panel.
        result (ERFResult): The result that it shows.
        shares (sequence of float, optional): Shares whose sides are written;
            None for all.
        per_line (int): Sides in one line.
        head (str): Text above the sides.

    Returns:
        float: Height of the text, inches.
    """
    parts = [
        f'{share * 100:g} %: {side}'
        for share, side in square_sides(result).items()
        if shares is None or share in shares
    ]
    lines = [
        '   '.join(parts[i : i + per_line])
        for i in range(0, len(parts), per_line)
    ]
    text = '\n'.join([head] * bool(head) + [f'{line} px' for line in lines])
    ax.set_xlabel(text, fontsize=6.5, labelpad=2)
    return (text.count('\n') + 1) * 6.5 * LINE_HEIGHT


def shared_legend(
    fig: Figure,
    axes: Iterable[Axes],
    results: Iterable[ERFResult],
    shares: Sequence[float] | None = None,
) -> float:
    """Draw one legend for all panels below them.

    Args:
        fig (Figure): The figure.
        axes (iterable of Axes): Panels; the theoretical field is named if
            one of them shows a part of its box.
        results (iterable of ERFResult): The results that they show; without
            an ERF among them there is no legend.
        shares (sequence of float, optional): Shares whose squares are named;
            None for all.

    Returns:
        float: Height of the legend, inches.
    """
    first = next((result for result in results if result.kind == 'erf'), None)
    if first is None:  # pictures of attention have no squares
        return 0
    handles: list[Artist] = [
        Line2D([], [], color=color, linestyle=dash, linewidth=1.3, label=label)
        for share in first.shares
        if shares is None or share in shares
        for (color, dash), label in [
            (square_line(first, share), f'holds {share * 100:g} %')
        ]
    ]
    if any(map(shows_theory, axes)):
        handles.append(
            Line2D([], [], label='theoretical field', **THEORY_STYLE)
        )
    handles.append(
        Line2D([], [], linestyle='none', label='unit', **UNIT_STYLE)
    )
    return legend_below(fig, handles, **LEGEND_STYLE)


def legend_below(
    fig: Figure,
    handles: Sequence[Artist],
    max_columns: int = 6,
    **legend_style: Any,
) -> float:
    """Draw a legend below the axes, in as many columns as fit the figure.

    Returns:
        float: Height of the legend, inches.
    """
    for columns in range(min(len(handles), max_columns), 0, -1):
        legend = fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=columns,
            **legend_style,
        )
        for text in legend.get_texts():
            lines = wrap_text(text.get_text(), fig.get_figwidth() - 0.6, 7)
            text.set(text=lines, parse_math=False)
        box = legend.get_window_extent()
        if box.width < fig.bbox.width - 6 or columns == 1:
            break
        legend.remove()
    return box.height / fig.dpi


def shared_colorbar(
    fig: Figure,
    image: Any,
    axes: Iterable[Axes],
    label: str,
    height: float,
) -> None:
    """Draw one colour bar, ``height`` inches high: panels share 0 to 1."""
    bar = fig.colorbar(image, ax=list(axes), shrink=0.95, pad=0.01, aspect=30)
    if height > 1.2:
        bar.set_label(label, fontsize=7)
    else:
        text = label.replace(' / ', '\n/ ')
        bar.set_label(text, fontsize=6.5, labelpad=6)
