"""A class at one unit of the layer that makes the logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..grid.coordinates import Grid
from .base import Part, Target, TargetContext
from .channels import at_least_float32, checked_unit
from .classes import (
    ClassRequest,
    as_class_requests,
    class_logit,
    no_logits_error,
    resolve_classes,
)
from .unit import CentreUnit, Unit


class ClassUnit(Target):
    """The logit of each class at a unit, one result per class.

    Args:
        classes (str, int or sequence, optional): Names from the dataset's
            metainfo, or indices; None for every class.
        y, x (int, optional): The unit's row and column; None for the middle
            one.
        relu (bool): Whether a negative logit counts as zero.

    Raises:
        ConfigError: If a class does not exist.
        TargetError: If the layer has not one channel for each class.
    """

    needs = frozenset({'num_classes'})

    def __init__(
        self,
        classes: ClassRequest | Sequence[ClassRequest] | None = None,
        y: int | None = None,
        x: int | None = None,
        relu: bool = False,
    ) -> None:
        self.classes = as_class_requests(classes)
        self.relu = relu
        place = y is not None and x is not None
        self._unit = Unit(y, x) if place else CentreUnit()  # type: ignore

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        what = 'relu(logit)' if self.relu else 'logit'
        return f'{what} of the class at {self._unit.where}'

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Raise ConfigError for a class that the dataset does not have."""
        if names is not None:
            resolve_classes(self.classes, names)

    def result_labels(self, names: Sequence[str] | None) -> list[str] | None:
        """One label per class; None where the classes are not known."""
        if self.classes is None and names is None:
            return None
        return [label for label, _ in resolve_classes(self.classes, names)]

    def unit(self, grid: Grid) -> tuple[int, int]:
        """The unit that is scored."""
        return self._unit.unit(grid)

    def moved_to(self, y: int, x: int) -> ClassUnit:
        """The same classes at another unit."""
        return ClassUnit(self.classes, y, x, bool(self.relu))

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """One part per class."""
        y, x = checked_unit(self.unit(context.grid), output, context)
        pixels = dict.fromkeys(range(len(output)), context.grid.pixel((y, x)))
        found = []
        names = context.classes
        for label, index in resolve_classes(
            self.classes, names, context.num_classes
        ):
            logits = class_logit(output, index, context)
            if logits is None:
                raise no_logits_error(output, context)
            scores = at_least_float32(logits[:, y, x])
            scores = torch.relu(scores) if self.relu else scores
            found.append(Part(context.layer, scores, pixels, label=label))
        return found
