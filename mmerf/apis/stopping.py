"""Stop measuring once the sides are known to a tolerance."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.aggregate.jackknife import uncertainty_of
from ..core.errors import ConfigError
from ..core.measurement import Measurement
from ..engine.selection import check_num_images, chosen_indices

JUDGED_SHARES = (0.5, 0.99)  # whose sides have to meet the tolerance
FEWEST = 8  # images before a standard error is trusted


@dataclass(frozen=True)
class ToleranceStop:
    """When a measurement may stop.

    Attributes:
        tolerance (float): Largest relative standard error of a side.
        max_images (int): Stop after this many images in any case.
    """

    tolerance: float = 0.02
    max_images: int = 500

    def __post_init__(self) -> None:
        check_num_images(self.max_images)
        if not 0 < self.tolerance < 1:
            raise ConfigError(
                f'tolerance lies between 0 and 1, not {self.tolerance}; 0.02 '
                'is a standard error of 2 % of the side'
            )

    def worst_error(self, measurement: Measurement) -> float | None:
        """Largest relative standard error so far; None while there is none."""
        worst = 0.0
        # A class that no image has shown so far does not delay the stop.
        found = [a for a in measurement.accumulators.values() if a.count]
        for accumulator in found:
            sides = uncertainty_of(accumulator.profiles, JUDGED_SHARES).get(
                'side', {}
            )
            for share in JUDGED_SHARES:
                relative = sides.get(str(share), {}).get('relative')
                if relative is None:
                    return None
                worst = max(worst, relative)
        return worst if found else None

    def satisfied(self, measurement: Measurement) -> bool:
        """Whether every layer's sides meet the tolerance."""
        if measurement.seen < FEWEST:
            return False
        worst = self.worst_error(measurement)
        return worst is not None and worst <= self.tolerance

    def summary(self, measurement: Measurement) -> str:
        """A note: the tolerance, and the relative standard error reached."""
        worst = self.worst_error(measurement)
        sure = 'unknown' if worst is None else f'{worst * 100:.2g} %'
        verdict = 'reached' if self.satisfied(measurement) else 'not reached'
        return (
            f'tolerance {self.tolerance * 100:g} % {verdict}: the sides have '
            f'a relative standard error of at most {sure} after '
            f'{measurement.seen} image(s)'
        )


def spread_indices(length: int, number: int, order: str) -> list[int]:
    """Chosen indices, ordered so that any first part spans the dataset.

    Bit-reversed order: halves, quarters, eighths... Stopping early then
    leaves out no end of the dataset.

    Example:
        >>> spread_indices(8, 8, 'even')
        [0, 4, 2, 6, 1, 5, 3, 7]
    """
    indices = chosen_indices(length, number, order)
    if order != 'even':
        return indices
    bits = max(len(indices) - 1, 1).bit_length()
    reversed_bits = (int(f'{i:0{bits}b}'[::-1], 2) for i in range(2**bits))
    return [indices[i] for i in reversed_bits if i < len(indices)]
