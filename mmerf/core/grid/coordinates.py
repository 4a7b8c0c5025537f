"""Where the units of a grid sit in the input."""

from __future__ import annotations

import math
from dataclasses import dataclass

Size = tuple[int, int]  # (h, w) of a grid or an image
UnitYX = tuple[int, int]
PixelYX = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Unit ``i`` of an axis sits at input pixel ``offset + jump * i``.

    Attributes:
        offset (float): Input pixel of unit 0.
        jump (float): Input pixels from one unit to the next, the stride.
    """

    offset: float
    jump: float

    def window(
        self, kernel: float, stride: float, padding: float, dilation: int = 1
    ) -> Axis:
        """The axis after a sliding window (convolution, pooling, unfold)."""
        shift = (kernel - 1) * dilation / 2 - padding
        return Axis(self.offset + shift * self.jump, self.jump * stride)

    def transposed(
        self, kernel: int, stride: int, padding: int, dilation: int
    ) -> Axis:
        """The axis after a transposed convolution."""
        shift = (padding - (kernel - 1) * dilation / 2) / stride
        return Axis(self.offset + shift * self.jump, self.jump / stride)

    def resized(self, size: int, new_size: int, align_corners: bool) -> Axis:
        """The axis after interpolation from ``size`` to ``new_size``."""
        if align_corners:
            ratio = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
            return Axis(self.offset, self.jump * ratio)
        ratio = size / new_size
        return Axis(
            self.offset + self.jump * (ratio - 1) / 2, self.jump * ratio
        )


@dataclass(frozen=True)
class Grid:
    """Coordinate map of one layer's output grid.

    Attributes:
        size (tuple[int, int]): The grid's (h, w).
        y, x (Axis): Input pixel of row ``i`` and of column ``j``.
        known (bool): False if the operations that made the grid were not all
            followed, and it is assumed to cover the input evenly.
    """

    size: Size
    y: Axis
    x: Axis
    known: bool = True

    def pixel(self, unit: tuple[float, float]) -> PixelYX:
        """Input pixel (row, column) of a unit, as floats.

        Example:
            >>> Grid((7, 7), Axis(1.5, 4), Axis(0, 4)).pixel((3, 3))
            (13.5, 12)
        """
        return (
            self.y.offset + self.y.jump * unit[0],
            self.x.offset + self.x.jump * unit[1],
        )

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels from one unit to the next, down and across."""
        return self.y.jump, self.x.jump


def even_grid(size: Size, input_size: Size) -> Grid:
    """A grid (h, w) that covers the input (H, W) evenly, not known.

    Unit i sits at (i + 0.5) H / h - 0.5, and likewise across.
    """
    axes = [
        Axis((full / part - 1) / 2, full / part)
        for part, full in zip(size, input_size, strict=True)
    ]
    return Grid(size, axes[0], axes[1], known=False)


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
