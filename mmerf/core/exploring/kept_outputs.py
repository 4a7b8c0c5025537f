"""Outputs of layers, kept with their graph."""

from __future__ import annotations

from torch import Tensor

from ..targets.base import Part, Target, TargetContext


class OutputKeeper(Target):
    """Scores nothing of use; keeps every output as it is read.

    Attributes:
        outputs (dict): By layer key, the output (1, C, h, w) with its graph,
            and what a target may know of it.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, tuple[Tensor, TargetContext]] = {}

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Keep an output; its first channel at unit (0, 0) is the score."""
        self.outputs[context.layer] = output, context
        pixel = context.grid.pixel((0, 0))
        return [Part(context.layer, output[:, 0, 0, 0], {0: pixel})]
