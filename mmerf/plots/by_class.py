"""A class by class matrix: from pixels of which classes each is decided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from ..core.errors import shortened
from ..core.results.class_context import ClassContext
from .drawing.figure import Figure
from .drawing.style import COLUMN_WIDTH, drawable, style
from .drawing.text import wrap_text

_CMAP = 'Blues'
_NUMBERED = 0.17  # inches of a cell that holds a number
_SMALLEST, _LARGEST = 0.09, 0.34  # side of a cell, inches
_BESIDE = 0.65  # inches for the axis's title and the colour bar
_LONGEST_CLASS = 16  # characters of a class's name
_SPLIT_NAMES = ('own segment', 'rest of class')


def plot_by_class(
    context: ClassContext, *, title: str | None = None
) -> tuple[Figure, np.ndarray]:
    """Matrix of shares, in percent, with the own class split beside it.

    The figure is as wide as a column of a paper, wider for many classes.
    Cells that are large enough hold their number; else there is a colour
    bar. The column of pixels of no
    class is left out where it is zero.

    Args:
        context (ClassContext): With at least one row.
        title (str, optional): Title; None for the layer.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its two axes: matrix and
        split.

    Example:
        >>> two = np.array([[0.75, 0.25, 0.0]])
        >>> context = ClassContext(
        ...     'head', ('sky',), ('sky', 'road', 'unlabelled'), 'prediction',
        ...     two, two, two, two, np.ones(1), np.ones(1), (1,), (0,), (0,))
        >>> fig, axes = plot_by_class(context)
        >>> [text.get_text() for text in axes[0].texts]
        ['75', '25']
    """
    shares, columns = context.shares, list(context.columns)
    if not shares[:, -1].any():
        shares, columns = shares[:, :-1], columns[:-1]
    split = context.split[:, : len(_SPLIT_NAMES)]
    cells = len(columns) + len(_SPLIT_NAMES) + 0.5
    names = _name_width([*context.rows])
    side = (COLUMN_WIDTH - names - _BESIDE) / cells
    side = min(max(side, _SMALLEST), _LARGEST)
    numbered = side >= _NUMBERED
    width = max(COLUMN_WIDTH, side * cells + names + _BESIDE)
    above = _name_width([*columns, *_SPLIT_NAMES])
    height = side * len(context.rows) + above + 0.75
    size = min(7.0, 72 * side / 1.15)
    with style():
        fig = Figure(figsize=(width, height), dpi=150)
        fig.set_layout_engine('compressed', w_pad=0.03, h_pad=0.03)
        axes = fig.subplots(
            1, 2, width_ratios=[len(columns), len(_SPLIT_NAMES)]
        )
        for ax, values, heads in zip(
            axes, (shares, split), (columns, _SPLIT_NAMES), strict=True
        ):
            drawn = _draw_matrix(ax, values, heads, size, numbered)
        _label(axes[0], 'y', context.rows, size)
        axes[1].set_yticks([])
        axes[0].set_ylabel('class decided')
        axes[0].set_xlabel('from pixels of each class (%)')
        if not numbered:
            fig.colorbar(drawn, ax=list(axes), pad=0.02, aspect=25)
        heading = title or f'{context.layer} (by {context.by_class})'
        fig.suptitle(
            wrap_text(heading, width - 0.2), size=8.5, parse_math=False
        )
        fig.settle()
    return fig, axes


def _draw_matrix(
    ax: Axes,
    values: np.ndarray,
    heads: Sequence[str],
    size: float,
    numbered: bool,
) -> AxesImage:
    drawn = ax.imshow(100 * values, cmap=_CMAP, vmin=0, vmax=100)
    _label(ax, 'x', heads, size)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    if numbered:
        for (i, j), value in np.ndenumerate(values):
            ax.text(
                j, i, f'{100 * value:.0f}', ha='center', va='center',
                size=size, color='white' if value > 0.55 else 'black',
            )  # fmt: skip
    return drawn


def _label(ax: Axes, axis: str, names: Sequence[str], size: float) -> None:
    texts = [shortened(drawable(name), _LONGEST_CLASS) for name in names]
    options = {'rotation': 90} if axis == 'x' else {}
    ax.set(**{f'{axis}ticks': range(len(texts))})
    getattr(ax, f'set_{axis}ticklabels')(
        texts, size=size, parse_math=False, **options
    )


def _name_width(names: list[str]) -> float:
    """About the width of the longest name, inches."""
    longest = max(len(drawable(name)) for name in names)
    return 0.055 * min(longest, _LONGEST_CLASS) + 0.1
