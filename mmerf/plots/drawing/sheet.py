"""Where panels of one size lie on a figure, in inches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .look import Look

_COLUMNS = {'page': 5, 'column': 3}  # panels side by side, at most
_LARGEST, _HIGHEST = 2.0, 2.4  # width and height of a panel
_GAP = 0.08  # between two panels
_GAP_WITH_BAR = 0.52  # where each has a colour bar of its own
_WIDER = 0.2  # its numbers, beside the last panel
_EDGE = 0.05  # free at the figure's left and upper edge
_BAR = 0.62  # for the colour bar with its numbers and label
_BAR_GAP, _BAR_WIDTH = 0.07, 0.09


@dataclass(frozen=True)
class Sheet:
    """A grid of panels, folded into blocks of rows if it is too wide.

    Attributes:
        rows, columns (int): Of the grid.
        across (int): Columns side by side; the others are in the next block.
        panel (tuple[float, float]): Width and height.
        left (float): For the names of rows.
        gap, right (float): Between two panels, and beside the last.
    """

    rows: int
    columns: int
    across: int
    panel: tuple[float, float]
    left: float
    gap: float = _GAP
    right: float = _BAR

    @property
    def blocks(self) -> int:
        """How many times the columns are folded, and once more."""
        return -(-self.columns // self.across)

    @property
    def width(self) -> float:
        """Of the figure."""
        inside = self.across * (self.panel[0] + self.gap) - self.gap
        return self.left + inside + self.right

    def place(
        self,
        fig: Figure,
        axes: np.ndarray,
        bars: Mapping[tuple[int, int], Axes],
        above: float,
        below: float,
        margins: tuple[float, float],
    ) -> None:
        """Set the figure's height, and place panels and colour bar.

        Args:
            fig (Figure): As wide as :attr:`width`.
            axes (np.ndarray): The panels, shape (rows, columns).
            bars (mapping): Colour bars, by row and column of the panel
                beside which each stands, as high as it is.
            above (float): For the names of columns, over each block.
            below (float): For numbers below each row.
            margins (tuple[float, float]): Above and below everything.
        """
        (width, height), (top, bottom) = self.panel, margins
        block = above + self.rows * (height + below)
        total = top + self.blocks * block + bottom
        fig.set_figheight(total)
        for (row, column), ax in np.ndenumerate(axes):
            fold, place = divmod(column, self.across)
            x = self.left + place * (width + self.gap)
            y = top + fold * block + above + row * (height + below) + height
            parts = [(ax, x, width)]
            if (row, column) in bars:
                beside = x + width + _BAR_GAP
                parts.append((bars[row, column], beside, _BAR_WIDTH))
            for part, start, wide in parts:
                part.set_position(
                    (
                        start / self.width,
                        1 - y / total,
                        wide / self.width,
                        height / total,
                    )
                )

    def first_of_rows(self) -> Iterator[tuple[int, int]]:
        """Row and column of the leftmost panels."""
        for row in range(self.rows):
            for column in range(0, self.columns, self.across):
                yield row, column


def rows_of_panels(rows: int, columns: int, look: Look) -> int:
    """How many panels are below each other once a grid is folded."""
    return rows * -(-columns // _most_across(look))


def _most_across(look: Look) -> int:
    return _COLUMNS[look.width] - (look.colorbars == 'each')


def fold(count: int, most: int) -> int:
    """How many of ``count`` stand side by side, if at most ``most`` may.

    Example:
        >>> fold(4, 5), fold(6, 5), fold(7, 5)
        (4, 3, 4)
    """
    return -(-count // -(-count // most))


def sheet(
    rows: int, columns: int, aspect: float, look: Look, left: float = 0.0
) -> Sheet:
    """Panels that fill the figure's width, unless they were too large.

    Args:
        rows, columns (int): Of the grid.
        aspect (float): Height of a panel over its width.
        look (Look): Sets the width, and how many are side by side.
        left (float): For the names of rows.
    """
    across = fold(columns, _most_across(look))
    left += _EDGE
    gap, right = _GAP, _BAR
    if look.colorbars == 'each':
        gap, right = _GAP_WITH_BAR, _BAR + _WIDER
    room = (look.inches - left - right + gap) / across - gap
    width = min(room, _LARGEST, _HIGHEST / aspect)
    panel = width, width * aspect
    return Sheet(rows, columns, across, panel, left, gap, right)
