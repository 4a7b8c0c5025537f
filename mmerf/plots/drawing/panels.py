"""What figures of many maps share: sizes, numbers below, one legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...core.results.erf_result import ERFResult
from .marks import line_of, shows_theory, sides_of
from .style import LEGEND, PAGE, THEORY, UNIT
from .text import LINE, wrapped

_MARGIN = 1.3  # inches for what stands left and right of the panels
NARROW = 1.5  # inches; a narrower panel has small words


def gap_between(numbers: bool) -> float:
    """Inches between two panels, with or without numbers there."""
    return 0.42 if numbers else 0.12


def panel_size(
    columns: int, tall: float, between: float, beside: float = 0
) -> tuple[float, float, float]:
    """Width and height of a panel, so that all fill a page; inches.

    Args:
        columns (int): Panels side by side.
        tall (float): Height of what a panel shows, over its width.
        between (float): Inches between two of them.
        beside (float): Inches for long words to their left.

    Returns:
        tuple[float, float, float]: Width, height, and the figure's width.
    """
    room = (PAGE - _MARGIN - beside) / columns - between
    width = min(max(room, 0.95), 2.0)
    height = width * min(max(tall, 0.25), 1.8)
    return width, height, (width + between) * columns + _MARGIN + beside


def titles(axes: Sequence[Axes], names: Iterable[str], panel: float) -> float:
    """Names over panels, small where these are narrow; inches they take."""
    size = 7.0 if panel < NARROW else 8.5
    lines = [wrapped(name, panel, size) for name in names]
    for ax, text in zip(axes, lines, strict=True):
        ax.set_title(text, fontsize=size, parse_math=False)
    return max(text.count('\n') + 1 for text in lines) * size * LINE


def sides_below(
    ax: Axes,
    result: ERFResult,
    shares: Sequence[float] | None = None,
    per_line: int = 2,
    head: str = '',
) -> float:
    """The squares' sides under a panel, as a legend; inches they take."""
    parts = [
        f'{share * 100:g} %: {side}'
        for share, side in sides_of(result).items()
        if shares is None or share in shares
    ]
    lines = [
        '   '.join(parts[i : i + per_line])
        for i in range(0, len(parts), per_line)
    ]
    text = '\n'.join([head] * bool(head) + [f'{line} px' for line in lines])
    ax.set_xlabel(text, fontsize=6.5, labelpad=2)
    return (text.count('\n') + 1) * 6.5 * LINE


def shared_legend(
    fig: Figure,
    axes: Iterable[Axes],
    results: Iterable[ERFResult],
    shares: Sequence[float] | None = None,
) -> float:
    """One legend for all panels, under the figure; inches it takes."""
    every = [result for result in results if result.kind == 'erf']
    if not every:  # pictures of attention have no squares to name
        return 0
    first = every[0]
    handles: list[Artist] = [
        Line2D([], [], color=color, linestyle=dash, linewidth=1.3, label=label)
        for share in first.shares
        if shares is None or share in shares
        for (color, dash), label in [
            (line_of(first, share), f'holds {share * 100:g} %')
        ]
    ]
    if any(map(shows_theory, axes)):
        handles.append(Line2D([], [], label='theoretical field', **THEORY))
    handles.append(Line2D([], [], linestyle='none', label='unit', **UNIT))
    return legend_below(fig, handles, **LEGEND)


def legend_below(
    fig: Figure, handles: Sequence[Artist], most: int = 6, **look: Any
) -> float:
    """A legend in as many columns as fit the figure; inches it takes."""
    for columns in range(min(len(handles), most), 0, -1):
        legend = fig.legend(
            handles=handles,
            loc='outside lower center',
            ncols=columns,
            **look,
        )
        for text in legend.get_texts():
            lines = wrapped(text.get_text(), fig.get_figwidth() - 0.6, 7)
            text.set(text=lines, parse_math=False)
        box = legend.get_window_extent()
        if box.width < fig.bbox.width - 6 or columns == 1:
            break
        legend.remove()
    return box.height / fig.dpi


def shared_bar(
    fig: Figure,
    image: Any,
    axes: Sequence[Axes],
    label: str,
    height: float,
) -> None:
    """One colour bar for all panels, of a height: they share 0 to 1."""
    bar = fig.colorbar(image, ax=list(axes), shrink=0.95, pad=0.01, aspect=30)
    if height > 1.2:
        bar.set_label(label, fontsize=7)
    else:
        text = label.replace(' / ', '\n/ ')
        bar.set_label(text, fontsize=6.5, labelpad=6)
