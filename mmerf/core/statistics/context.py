"""What a statistic may use besides the map and its centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHARES = (0.2, 0.3, 0.5, 0.99)


@dataclass(frozen=True)
class StatisticContext:
    """Settings and facts that go with a map.

    Attributes:
        shares (sequence of float): Shares of the mass to report, in (0, 1].
        area (float, optional): Mean area of an image in pixels, if images
            differ in size; None for H * W.
        field_size (tuple[int, int], optional): (h, w) of the theoretical
            receptive field in pixels; None if it is global or not known.
        frame (tuple[int, int, int, int], optional): First and last row, first
            and last column that every image reaches; None for the whole map.
    """

    shares: Sequence[float] = SHARES
    area: float | None = None
    field_size: tuple[int, int] | None = None
    frame: tuple[int, int, int, int] | None = None
