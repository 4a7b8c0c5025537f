"""What was found of a layer's field along one axis, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import shortened
from ..results.theoretical_field import Extent
from .strip_bounds import Bound, Bounds
from .strip_probe import Ends


@dataclass(frozen=True)
class Found:
    """A layer's field along one axis.

    Attributes:
        extent (Extent, optional): None where there is none.
        stride (float): Pixels from one unit to the next.
        any_unit (bool): Whether it is the same for any unit.
        why (str, optional): Why it is missing, or no more than a bound.
    """

    extent: Extent | None
    stride: float
    any_unit: bool = True
    why: str | None = None


def extent_of(kind: str, span: Ends, bound: Bound) -> Extent:
    """A span in px from the unit's pixel."""
    return Extent(kind, span[0] - bound.pixel, span[1] - bound.pixel)


def box_or_bound(span: Ends | None, bound: Bound, bounds: Bounds) -> Found:
    """A box where gradients reach as far as the operations do."""
    most = bound.spans[0]
    if span is not None and span == most:
        return Found(extent_of('box', span, bound), bound.stride)
    why = (
        f'its operations allow {most[1] - most[0] + 1:.0f} px, but random '
        'images moved less (channels that are always off, or maxima of few '
        'channels)'
    )
    if span is not None and (span[0] < most[0] or span[1] > most[1]):
        why = 'its gradient reaches beyond the operations that were followed'
    return at_least(span, bound, bounds, why)


def at_least(
    span: Ends | None, bound: Bound, bounds: Bounds, why: str
) -> Found:
    """A bound with its reason, or no field where nothing moved the unit."""
    if span is None:
        why = 'no gradient reaches the input of a strip in any random image'
        if bounds.wider:
            why += ', as taps lie beside a strip of affordable width'
        return Found(None, bound.stride, why=why)
    if bounds.not_followed:
        names = shortened(', '.join(bounds.not_followed), 80)
        why = f'the reach of these operations is not known: {names}'
    return Found(extent_of('at least', span, bound), bound.stride, why=why)
