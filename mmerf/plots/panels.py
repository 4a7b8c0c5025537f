"""What figures of many maps share: sizes, numbers below, one legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..core.result import ERFResult
from .marks import line_of, sides_of
from .style import LEGEND, PAGE, THEORY, UNIT

_MARGIN = 1.3  # inches for what stands left and right of the panels
_BETWEEN = 0.12  # inches between two panels


def panel_size(columns: int, tall: float) -> tuple[float, float]:
    """Width and height of a panel, inches, so that all fill a page.

    Args:
        columns (int): Panels side by side.
        tall (float): Height of what a panel shows, over its width.
    """
    width = min(max((PAGE - _MARGIN) / columns - _BETWEEN, 0.95), 2.0)
    return width, width * min(max(tall, 0.4), 1.8)


def figure_width(columns: int, panel: float) -> float:
    """Width of the whole figure, inches."""
    return (panel + _BETWEEN) * columns + _MARGIN


def wrapped(text: str, panel: float, per_inch: int = 13) -> str:
    """A text that fits over a panel."""
    return '\n'.join(wrap(text, max(int(panel * per_inch), 8)))


def sides_below(
    ax: Axes,
    result: ERFResult,
    shares: Sequence[float] | None = None,
    per_line: int = 2,
) -> None:
    """The squares' sides under a panel, in place of a legend."""
    parts = [
        f'{share * 100:g} %: {side}'
        for share, side in sides_of(result).items()
        if shares is None or share in shares
    ]
    lines = [
        '   '.join(parts[i : i + per_line])
        for i in range(0, len(parts), per_line)
    ]
    text = ' px\n'.join(lines) + ' px' if lines else ''
    ax.set_xlabel(text, fontsize=6.5, labelpad=2)


def shared_legend(
    fig: Figure,
    results: Iterable[ERFResult],
    shares: Sequence[float] | None = None,
) -> None:
    """One legend for all panels, under the figure."""
    every = [result for result in results if result.kind == 'erf']
    if not every:  # pictures of attention have no squares to name
        return
    first = every[0]
    handles = [
        Line2D([], [], color=color, linestyle=dash, linewidth=1.3, label=label)
        for share in first.shares
        if shares is None or share in shares
        for (color, dash), label in [
            (line_of(first, share), f'holds {share * 100:g} %')
        ]
    ]
    if any(r.theory is not None and r.theory.size for r in every):
        handles.append(Line2D([], [], label='theoretical field', **THEORY))
    handles.append(Line2D([], [], linestyle='none', label='unit', **UNIT))
    fig.legend(
        handles=handles,
        loc='outside lower center',
        ncols=min(len(handles), 6),
        **LEGEND,
    )


def shared_bar(fig: Figure, image: object, axes: Sequence[Axes], label: str):
    """One colour bar for all panels: they share the scale 0 to 1."""
    bar = fig.colorbar(image, ax=list(axes), shrink=0.95, pad=0.01, aspect=30)
    bar.set_label(label, fontsize=7)
    return bar
