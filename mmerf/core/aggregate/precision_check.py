"""What reduced precision changes: the first images in both precisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ..batch import Batch
from .accumulator import Accumulator
from .jackknife import interpolated_side, pad_profiles

COMPARED_IMAGES = 2


class MeasurementLike(Protocol):
    """What a check needs of a measurement."""

    seen: int

    @property
    def accumulators(self) -> Mapping[str, Accumulator]:
        """Mean maps so far, by result."""
        ...

    def update(self, batch: Batch) -> None:
        """Measure a batch."""
        ...


class PrecisionCheck:
    """Compares a measurement with the same one in float32.

    Args:
        exact, reduced (MeasurementLike): The measurements, in float32 and in
            the reduced precision; both measure the first images only.
    """

    def __init__(
        self, exact: MeasurementLike, reduced: MeasurementLike
    ) -> None:
        self.exact, self.reduced = exact, reduced

    def update(self, batch: Batch) -> None:
        """Measure images of a batch, up to ``COMPARED_IMAGES`` in all."""
        wanted = min(COMPARED_IMAGES - self.exact.seen, len(batch))
        if wanted > 0:
            first = batch.part(0, wanted)
            for measurement in (self.exact, self.reduced):
                measurement.update(first)

    def deviation(self, key: str, shares: Sequence[float]) -> dict | None:
        """How far a result's mean map is from float32's.

        Args:
            key (str): The result's.
            shares (sequence of float): Shares of which sides are compared.

        Returns:
            dict, optional: ``images``, the number compared; ``map``, the
            largest difference over the peak; ``side``, by share, the
            relative difference. None where there is no map to compare.
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
