"""What reduced precision changes: the first images, measured both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .accumulate import Accumulator
from .uncertainty import interpolated_side, pad_profiles

if TYPE_CHECKING:
    from .measurement import Measurement

COMPARED = 2  # images


class Deviation:
    """Compares a measurement with the same one in float32.

    Args:
        make (callable): Makes the measurement, in float32.
        amp (str): What it is compared in.
    """

    def __init__(self, make: Callable[[], Measurement], amp: str) -> None:
        self.exact, self.reduced = make(), make()
        self.reduced.amp = amp

    def update(self, inputs: Any, *known: Any) -> None:
        """Measure as many images of a batch as are still wanted."""
        wanted = COMPARED - self.exact.seen
        if wanted > 0:
            first = slice(0, wanted)
            some = [
                value if value is None or callable(value) else value[first]
                for value in known
            ]
            for measurement in (self.exact, self.reduced):
                measurement.update(inputs[first], *some)

    def of(self, key: str, shares: Sequence[float]) -> dict | None:
        """How far a layer's mean map is from float32's.

        Returns:
            dict, optional: ``images``; ``map``, the largest difference over
            the peak; ``side``, by share, the relative difference. None where
            there is no map to compare.
        """
        pair = [
            measurement.accumulators.get(key)
            for measurement in (self.exact, self.reduced)
        ]
        exact, reduced = pair
        if exact is None or reduced is None:
            return None
        if not exact.count or exact.count != reduced.count:
            return None
        maps = [exact.compute().map, reduced.compute().map]
        peak = float(maps[0].max())
        if not peak or maps[0].shape != maps[1].shape:
            return None
        sides = {
            str(share): abs(_side(reduced, share) / _side(exact, share) - 1)
            for share in shares
        }
        difference = float(np.abs(maps[1] - maps[0]).max())
        return {
            'images': exact.count,
            'map': difference / peak,
            'side': {
                k: v if np.isfinite(v) else None for k, v in sides.items()
            },
        }


def _side(accumulator: Accumulator, share: float) -> float:
    mean = pad_profiles(accumulator.profiles).mean(axis=0)
    return float(interpolated_side(mean[None], share)[0])
