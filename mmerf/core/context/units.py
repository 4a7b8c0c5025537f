"""Which units are looked at, and which logit of each is scored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError, MeasurementError, TargetError
from ..grid.coordinates import UnitYX
from ..targets import ClassRegion
from ..targets.base import Part, Target, TargetContext
from ..targets.channels import at_least_float32
from ..targets.class_map import classes_along
from ..targets.classes import resolve_classes
from ..targets.unit import OneUnit
from ..targets.units import SeveralUnits

UNITS_OF_CLASS = 9  # most units of a class in one image


@dataclass(frozen=True)
class ScoredUnits:
    """Units of one image, and what the whole image gives there.

    Attributes:
        units (list of (int, int)): Rows and columns of the layer's grid.
        channels (list of int): The channel of each that is scored.
        signs (list of float): -1 where that is class 0 of a layer with one
            channel, which is class 1; else 1.
    """

    units: list[UnitYX]
    channels: list[int]
    signs: list[float]

    def __len__(self) -> int:
        return len(self.units)


def check_target(target: Target) -> None:
    """Raise ConfigError unless a target is about units or one class."""
    if isinstance(target, ClassRegion):
        if target.classes is None or len(target.classes) != 1:
            raise ConfigError(
                'context curves are of one class at a time; write class=NAME'
            )
        if target.region != 'prediction':
            raise ConfigError(
                'units of a class are those where the whole image predicts '
                "it; leave out region='ground_truth'"
            )
    elif not isinstance(target, (OneUnit, SeveralUnits)):
        raise ConfigError(
            f'context curves are of units, not of {type(target).__name__}; '
            'write grid=3x3, sample=20, unit=12,40, pixel=100,300, '
            'CentreUnit or class=NAME'
        )


def choose_units(
    target: Target,
    output: Tensor,
    context: TargetContext,
    threshold: float | None,
) -> ScoredUnits:
    """The units that a target names, with the class that each has.

    Args:
        target (Target): One that ``check_target`` lets pass.
        output (Tensor): The layer's on the whole image, (C, h, w).
        context (TargetContext): What is known about it.
        threshold (float, optional): See ``classes_along``.

    Returns:
        ScoredUnits: Without units for a class that the image has not; of a
        class at most ``UNITS_OF_CLASS``, evenly among its units in reading
        order.

    Raises:
        TargetError: If the layer does not have a unit or a class.
        MeasurementError: If a unit's values are not finite.
    """
    predicted = classes_along(output, 0, threshold or 0.0)
    if isinstance(target, ClassRegion):
        units = _units_of_class(target, predicted, len(output), context)
    elif isinstance(target, OneUnit):
        target(output[None], context)  # refuses what the layer does not have
        units = [target.unit(context.grid)]
    else:
        assert isinstance(target, SeveralUnits)
        units = target.units(context.grid.size)
    for y, x in units:
        if not bool(torch.isfinite(output[:, y, x]).all()):
            raise MeasurementError(
                f'{context.layer}: unit ({y}, {x}) is not finite on the '
                'whole image'
            )
    classes = [int(predicted[y, x]) for y, x in units]
    if len(output) > 1:
        return ScoredUnits(units, classes, [1.0] * len(units))
    return ScoredUnits(units, [0] * len(units), [2.0 * c - 1 for c in classes])


def _units_of_class(
    target: ClassRegion,
    predicted: Tensor,
    channels: int,
    context: TargetContext,
) -> list[UnitYX]:
    count = max(channels, 2)
    names = context.classes
    if names is not None and len(names) != count:
        raise TargetError(
            f'{context.layer} has {channels} channels, not one for each of '
            f'the {len(names)} classes; choose the layer that makes the '
            'logits, such as decode_head'
        )
    [(_, index)] = resolve_classes(target.classes, names, count)
    places = (predicted == index).nonzero()
    kept = min(UNITS_OF_CLASS, len(places))
    return [
        (int(y), int(x))
        for y, x in (
            places[(2 * i + 1) * len(places) // (2 * kept)]
            for i in range(kept)
        )
    ]


class PredictedLogits(Target):
    """The logit of the class that each unit has on the whole image.

    Each unit is a part of one result. ``chosen`` is set for one image at a
    time: all images of a pass are copies of it.

    Args:
        where (str): The units, in words.
    """

    aligned_at = 'each of their units'

    def __init__(self, where: str) -> None:
        self.where = where
        self.chosen = ScoredUnits([], [], [])

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        return (
            'logit of the class that the whole image gives the unit, at '
            f'{self.where}'
        )

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part per unit of the image."""
        chosen, found = self.chosen, []
        for (y, x), channel, sign in zip(
            chosen.units, chosen.channels, chosen.signs, strict=True
        ):
            scores = sign * at_least_float32(output[:, channel, y, x])
            pixel = context.grid.pixel((y, x))
            pixels = dict.fromkeys(range(len(output)), pixel)
            found.append(Part(context.layer, scores, pixels))
        return found


def describe_units(target: Target) -> str:
    """The units of a target in words."""
    if isinstance(target, ClassRegion):
        assert target.classes is not None
        return (
            f'up to {UNITS_OF_CLASS} units of class {target.classes[0]} of '
            'each image'
        )
    assert isinstance(target, (OneUnit, SeveralUnits))
    return target.where
