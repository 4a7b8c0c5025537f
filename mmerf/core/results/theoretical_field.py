"""The theoretical receptive field, as a result stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..statistics.texts import lower_bound

EXTENT_KINDS = ('box', 'global', 'at least')


@dataclass(frozen=True)
class Extent:
    """The theoretical field along one axis.

    Attributes:
        kind (str): ``'box'``, ``'global'``, or ``'at least'`` where the
            longest strip that was tried is too short to tell.
        before, after (float): First and last pixel that can move the unit,
            as offsets from the unit's input pixel (px); for ``'global'`` and
            ``'at least'``, those found on the longest strip.
    """

    kind: str
    before: float
    after: float

    @property
    def size(self) -> int:
        """Length in pixels, first and last pixel included."""
        return round(self.after - self.before) + 1


@dataclass(frozen=True)
class Support:
    """Theoretical receptive field of a layer's unit.

    Attributes:
        y, x (Extent): The field down and across.
        stride (tuple[float, float]): Input pixels from one unit to the next,
            down and across.
        phase (str): ``'any unit'``, or ``'this unit'`` where the box depends
            on the unit's place, as it does with attention windows.
    """

    y: Extent
    x: Extent
    stride: tuple[float, float]
    phase: str = 'any unit'

    @property
    def size(self) -> tuple[int, int] | None:
        """(h, w) in pixels; None unless both axes are boxes."""
        if self.y.kind != 'box' or self.x.kind != 'box':
            return None
        return self.y.size, self.x.size

    def box(
        self, pixel: tuple[float, float]
    ) -> tuple[float, float, float, float] | None:
        """First and last row, first and last column, about a unit's pixel.

        Args:
            pixel (tuple[float, float]): The unit's input pixel (y, x).

        Returns:
            tuple, optional: In input pixels; None unless both axes are boxes.
        """
        if self.size is None:
            return None
        y, x = pixel
        return (
            y + self.y.before,
            y + self.y.after,
            x + self.x.before,
            x + self.x.after,
        )

    def __str__(self) -> str:
        """Such as ``'95 x 95'``, ``'global'`` or ``'≥ 2047 x 1023'``."""
        parts = [_describe_extent(self.y), _describe_extent(self.x)]
        return parts[0] if parts == ['global'] * 2 else ' x '.join(parts)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Support:
        """The inverse of ``dataclasses.asdict``.

        Raises:
            KeyError, TypeError, ValueError: If ``values`` do not fit.
        """
        y, x = (Extent(**values[axis]) for axis in ('y', 'x'))
        for extent in (y, x):
            if extent.kind not in EXTENT_KINDS or extent.after < extent.before:
                raise ValueError(f'{extent} is no extent')
        down, across = values['stride']
        return cls(y, x, (down, across), values['phase'])


def _describe_extent(extent: Extent) -> str:
    if extent.kind == 'global':
        return 'global'
    return lower_bound(extent.size, extent.kind == 'at least')
