"""Which tiles an image is cut into, by window and stride."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ConfigError

OVERLAPS = (0.0, 0.25, 0.5)  # shares of a window, where none is given


@dataclass(frozen=True, order=True)
class Tiling:
    """Square windows of one side, each a stride after the one before.

    Attributes:
        window (int): Side of a tile, px.
        stride (int): From one tile to the next, px; at most the window.

    Example:
        >>> Tiling(128, 96).overlap
        32
    """

    window: int
    stride: int

    def __post_init__(self) -> None:
        for name in ('window', 'stride'):
            side = getattr(self, name)
            if not isinstance(side, int) or isinstance(side, bool) or side < 1:
                raise ConfigError(
                    f'a {name} is a whole number of pixels >= 1, not {side!r}'
                )
        if self.stride > self.window:
            raise ConfigError(
                f'stride {self.stride} is larger than window {self.window}, '
                'which would leave pixels out; give a stride of at most '
                f'{self.window}'
            )

    @property
    def overlap(self) -> int:
        """How far a tile reaches into the next, px."""
        return self.window - self.stride

    def __str__(self) -> str:
        return f'window {self.window}, stride {self.stride}'

    def cuts(self, size: Sequence[int]) -> bool:
        """Whether it cuts an image of (H, W) px at all."""
        return max(size) > self.window


def tile_spans(length: int, tiling: Tiling) -> list[tuple[int, int]]:
    """First pixel and end of the tiles along one axis.

    Args:
        length (int): Of the axis, px.
        tiling (Tiling): Its window may be longer than the axis.

    Example:
        >>> tile_spans(10, Tiling(4, 4))
        [(0, 4), (4, 8), (6, 10)]
    """
    return window_spans(length, tiling.window, tiling.stride)


def window_spans(
    length: int, window: int, stride: int
) -> list[tuple[int, int]]:
    """First pixel and end of sliding windows along one axis.

    As MMSegmentation places them: from 0 in steps of the stride, and the last
    one is moved back so that it ends with the image.

    Args:
        length (int): Of the axis, px.
        window (int): Of a window, px.
        stride (int): From one window to the next, px.

    Returns:
        list of (int, int): At least one; each as long as the window, or as
        the axis where that is shorter.
    """
    steps = -(-max(length - window, 0) // stride)
    ends = [min(step * stride + window, length) for step in range(steps + 1)]
    return [(max(end - window, 0), end) for end in ends]


def tilings_of(
    windows: Sequence[int],
    strides: Sequence[int] | None = None,
    overlaps: Sequence[float] | None = None,
) -> list[Tiling]:
    """All windows with all strides, or overlaps, that fit them.

    Args:
        windows (sequence of int): Sides, px.
        strides (sequence of int, optional): Each is used with the windows
            that are at least as large.
        overlaps (sequence of float, optional): Shares of the window, in
            [0, 1), instead of strides; None for 0, 1/4 and 1/2.

    Returns:
        list[Tiling]: The smallest window first, the largest stride first.

    Raises:
        ConfigError: If a number is wrong, both are given, or a stride is
            larger than every window.

    Example:
        >>> [tiling.stride for tiling in tilings_of([128])]
        [128, 96, 64]
    """
    if strides and overlaps:
        raise ConfigError(
            'strides and overlaps say the same in two ways; give one of them'
        )
    if not windows:
        raise ConfigError('give at least one window, such as 256')
    for overlap in overlaps or ():
        if not 0 <= overlap < 1:
            raise ConfigError(
                f'an overlap is a share of the window in [0, 1), not {overlap}'
                '; for example 0.5'
            )
    sides = sorted(Tiling(side, side).window for side in set(windows))
    for stride in strides or ():
        Tiling(sides[-1], stride)
    made = set()
    for side in sides:
        if strides:
            made |= {Tiling(side, s) for s in strides if s <= side}
        else:
            for overlap in overlaps or OVERLAPS:
                kept = side * (1 - Fraction(str(overlap)))
                made.add(Tiling(side, max(round(kept), 1)))
    return sorted(made, key=lambda one: (one.window, -one.stride))
