"""Where the units of a grid sit in the input."""

from __future__ import annotations

import math
from dataclasses import dataclass

Size = tuple[int, int]  # (h, w) of a grid or an image
UnitYX = tuple[int, int]
PixelYX = tuple[float, float]
KNOWN_TO = 1.0  # px: a pixel that may be off by more is not known


@dataclass(frozen=True)
class Axis:
    """Unit ``i`` of an axis sits at input pixel ``offset + jump * i``.

    Attributes:
        offset (float): Input pixel of unit 0.
        jump (float): Input pixels from one unit to the next, the stride.
        doubt (float): How far from there a unit may sit, px.
        turn (int): Units by which the axis is rolled: unit ``i`` of ``n`` sits
            where unit ``(i + turn) % n`` sat.
    """

    offset: float
    jump: float
    doubt: float = 0.0
    turn: int = 0

    def pixel(self, unit: float, count: float) -> float:
        """Input pixel of a unit of an axis of ``count`` units."""
        index = (unit + self.turn) % count if self.turn else unit
        return self.offset + self.jump * index

    def nearest_unit(self, pixel: float, count: int) -> int:
        """The unit of an axis of ``count`` units that is nearest a pixel."""
        step = self.jump or math.inf  # of one unit, every pixel's
        index = math.floor((pixel - self.offset) / step + 0.5)
        index = min(max(index, 0), count - 1)
        return (index - self.turn) % count

    def slid(self, shift: float, stride: float) -> Axis:
        """Every ``stride``-th unit, starting ``shift`` units later.

        Of a rolled axis, only those units that do not meet its seam are
        placed, so that all are in doubt.
        """
        if self.turn:
            return Axis(
                self.offset + (shift + self.turn) * self.jump,
                self.jump * stride,
                math.inf,
            )
        return Axis(
            self.offset + shift * self.jump, self.jump * stride, self.doubt
        )

    def window(
        self, kernel: float, stride: float, padding: float, dilation: int = 1
    ) -> Axis:
        """The axis after a sliding window (convolution, pooling, unfold)."""
        return self.slid((kernel - 1) * dilation / 2 - padding, stride)

    def transposed(
        self, kernel: int, stride: int, padding: int, dilation: int
    ) -> Axis:
        """The axis after a transposed convolution."""
        shift = (padding - (kernel - 1) * dilation / 2) / stride
        return self.slid(shift, 1 / stride)

    def resized(
        self, size: int, new_size: int, align_corners: bool, scale: float = 0.0
    ) -> Axis:
        """The axis after interpolation from ``size`` to ``new_size`` units.

        Args:
            size, new_size (int): Number of units before and after.
            align_corners (bool): Whether the outermost units stay in place.
            scale (float): The factor that was asked for, where one was; it
                may differ from ``new_size / size``.
        """
        if align_corners:
            ratio = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
            return self.slid(0, ratio)
        ratio = 1 / scale if scale else size / new_size
        return self.slid((ratio - 1) / 2, ratio)


@dataclass(frozen=True)
class Grid:
    """Coordinate map of one layer's output grid.

    Attributes:
        size (tuple[int, int]): The grid's (h, w).
        y, x (Axis): Input pixel of row ``i`` and of column ``j``.
        followed (bool): False if the operations that made the grid were not
            all followed, and it is assumed to cover the input evenly.
        swapped (bool): Whether the grid's rows lie along the image's columns,
            as after a transposition: unit (i, j) is at row j and column i.
    """

    size: Size
    y: Axis
    x: Axis
    followed: bool = True
    swapped: bool = False

    @property
    def known(self) -> bool:
        """Whether units' pixels are right to ``KNOWN_TO``."""
        return self.followed and max(self.y.doubt, self.x.doubt) <= KNOWN_TO

    def pixel(self, unit: tuple[float, float]) -> PixelYX:
        """Input pixel (row, column) of a unit, as floats.

        Example:
            >>> Grid((7, 7), Axis(1.5, 4), Axis(0, 4)).pixel((3, 3))
            (13.5, 12)
        """
        row, column = self._turned(unit)
        rows, columns = self._turned(self.size)
        return self.y.pixel(row, rows), self.x.pixel(column, columns)

    def nearest_unit(self, pixel: PixelYX) -> UnitYX:
        """The unit whose input pixel is nearest a pixel."""
        rows, columns = self._turned(self.size)
        unit = (
            self.y.nearest_unit(pixel[0], int(rows)),
            self.x.nearest_unit(pixel[1], int(columns)),
        )
        return unit[::-1] if self.swapped else unit

    def _turned(self, pair: tuple[float, float]) -> tuple[float, float]:
        return pair[::-1] if self.swapped else pair

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels from one unit to the next, down and across."""
        return abs(self.y.jump), abs(self.x.jump)


def even_axis(count: int, length: int) -> Axis:
    """An axis of ``count`` units that covers ``length`` px evenly.

    Unit i sits at (i + 0.5) length / count - 0.5.
    """
    return Axis((length / count - 1) / 2, length / count)


def even_grid(size: Size, input_size: Size) -> Grid:
    """A grid (h, w) that covers the input (H, W) evenly, not followed."""
    y, x = (even_axis(n, m) for n, m in zip(size, input_size, strict=True))
    return Grid(size, y, x, followed=False)


def nearest_pixel(pixel: PixelYX) -> tuple[int, int]:
    """The whole pixel nearest a pixel, halves up: squares are about it.

    Example:
        >>> nearest_pixel((13.5, 7.2))
        (14, 7)
    """
    return math.floor(pixel[0] + 0.5), math.floor(pixel[1] + 0.5)


def clipped_pixel(pixel: tuple[int, int], shape: tuple) -> tuple[int, int]:
    """A whole pixel, moved to the nearest one inside a (H, W) map.

    Example:
        >>> clipped_pixel((-2, 9), (8, 8))
        (0, 7)
    """
    return (
        min(max(pixel[0], 0), shape[0] - 1),
        min(max(pixel[1], 0), shape[1] - 1),
    )
