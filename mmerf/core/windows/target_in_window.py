"""A target that is scored in a crop, at the pixels of the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..grid.coordinates import UnitYX
from ..targets.base import Part, Target, TargetContext
from .planner import WindowPlan


class TargetInWindow(Target):
    """A target scored at a crop's units, with pixels of the whole image."""

    def __init__(
        self,
        target: Target,
        units: Mapping[str, UnitYX | None],
        plan: WindowPlan,
    ) -> None:
        self.target, self.units, self.plan = target, units, plan

    def select(self, positions: Sequence[int]) -> Target:
        """The same for some images of the batch."""
        return TargetInWindow(
            self.target.select(positions), self.units, self.plan
        )

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Scores at the unit's place in the crop, (N,) each."""
        unit: Any = self.units[context.layer]
        scores = self.target.at(*unit)(output, context)
        place = self.plan.places[context.layer]
        pixels = dict.fromkeys(
            range(len(output)), place.grid.pixel(place.unit)
        )
        return [Part(context.layer, scores, pixels)]
