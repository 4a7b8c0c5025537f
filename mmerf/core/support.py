"""The theoretical receptive field: closed form, and what a Support is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError

KINDS = ('box', 'global', 'at least')


@dataclass(frozen=True)
class Extent:
    """Which pixels of one axis can move a unit at all.

    Attributes:
        kind (str): ``'box'``, ``'global'``, or ``'at least'`` where the
            largest input that was tried was too small to tell.
        before, after (float): First and last such pixel, as offsets from the
            unit's input pixel; of what was seen, where it is no box.
    """

    kind: str
    before: float
    after: float

    @property
    def size(self) -> int:
        """Pixels from the first to the last, both counted."""
        return round(self.after - self.before) + 1


@dataclass(frozen=True)
class Support:
    """Theoretical receptive field of a layer's unit.

    Attributes:
        y, x (Extent): Down and across.
        stride (tuple[float, float]): Input pixels between units, down and
            across.
        phase (str): ``'any unit'``, or ``'this unit'`` where the box depends
            on the unit's place, as it does for windows of attention.
    """

    y: Extent
    x: Extent
    stride: tuple[float, float]
    phase: str = 'any unit'

    @property
    def size(self) -> tuple[int, int] | None:
        """(h, w) in pixels; None where an axis is global or not known."""
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
            tuple, optional: In input pixels; None where an axis is global or
            not known.
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
        """Such as ``'95 x 95'``, ``'global'`` or ``'>= 2047 x 1023'``."""
        parts = [_words(self.y), _words(self.x)]
        return parts[0] if parts == ['global'] * 2 else ' x '.join(parts)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Support:
        """From what ``dataclasses.asdict`` made of one.

        Raises:
            TypeError, ValueError: If it is nothing of that kind.
        """
        y, x = (Extent(**values[axis]) for axis in ('y', 'x'))
        for extent in (y, x):
            if extent.kind not in KINDS or extent.after < extent.before:
                raise ValueError(f'{extent} is no extent')
        down, across = values['stride']
        return cls(y, x, (down, across), values['phase'])


def _words(extent: Extent) -> str:
    if extent.kind == 'global':
        return 'global'
    return ('>= ' if extent.kind == 'at least' else '') + str(extent.size)


def theoretical_field(
    chain: Iterable[Sequence[int]],
) -> tuple[int, int, float]:
    """Closed form for a plain chain of convolutions and poolings.

    Args:
        chain (iterable): For each, ``(kernel, stride, dilation, padding)``;
            the last two may be left out (1 and 0).

    Returns:
        tuple[int, int, float]: The field's side (px), the stride (px) and
        the input pixel of unit 0.

    Raises:
        ConfigError: If an entry is not of that form.

    Source: r_l = r_{l-1} + (k_l - 1) d_l times the product of the earlier
    strides; Araujo, Norris, Sim 2019, Computing receptive fields of
    convolutional neural networks.

    Example:
        >>> theoretical_field([(7, 2, 1, 3), (3, 2, 1, 1)])
        (11, 4, 0.0)
    """
    side, jump, offset = 1, 1, 0.0
    for entry in chain:
        if not 2 <= len(entry) <= 4:
            raise ConfigError(
                f'{tuple(entry)!r} is not (kernel, stride, dilation, padding)'
            )
        kernel, stride, dilation, padding = (*entry, *(1, 0)[len(entry) - 2 :])
        if min(kernel, stride, dilation) < 1 or padding < 0:
            raise ConfigError(
                f'{tuple(entry)!r}: kernel, stride and dilation are >= 1'
            )
        side += (kernel - 1) * dilation * jump
        offset += ((kernel - 1) * dilation / 2 - padding) * jump
        jump *= stride
    return side, jump, offset
