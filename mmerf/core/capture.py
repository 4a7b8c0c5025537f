"""Run a model once and hand each asked layer's output to its target.

The score is taken at the moment the layer returns, before an in-place
operation overwrites its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

from torch import Tensor

from .geometry import Grid
from .grid_history import Steps
from .layers import Layer
from .reading import Enough, Plan, Reading
from .tap import tapped
from .targets.base import Part, Target


class Capture:
    """The layers asked of a model, and how to read them.

    Args:
        layers (sequence of Layer): From ``find_layers``.
        front (int): Tokens that the model has in front of its grids; from
            ``front_tokens``.
        calls (mapping, optional): How often each module is called in one
            forward, where that is known already.

    Without ``calls``, the first forward at an input size runs whole, so that
    layers called several times and the history of every grid are known;
    later ones end once the last asked layer has returned.

    Attributes:
        parts (dict[str, Part]): What the last run's scores belong to, by the
            scores' keys, and parts that no image has.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        front: int = 0,
        calls: Mapping[str, int] | None = None,
    ) -> None:
        self.layers, self.front = list(layers), front
        self.calls, self._calls = calls, calls
        self._outputs: dict[str, Layer] = {}
        self.parts: dict[str, Part] = {}
        self._plans: dict[tuple, Plan] = {}

    def scores(
        self,
        forward: Callable[[Tensor], Any],
        inputs: Tensor,
        target: Target,
        metas: Sequence[Mapping] | None = None,
        whole: bool = False,
    ) -> dict[str, Tensor]:
        """Run the model once and score every asked layer.

        Args:
            forward (callable): Runs the model on ``inputs``.
            inputs (Tensor): Shape (N, C, H, W).
            target (Target): What is scored; one with ``watch(key, leaf,
                read)`` is handed every output itself instead, and what reads
                a tensor of its form as (N, C, h, w).
            metas (sequence of mappings, optional): One per image.
            whole (bool): Run the model to its end.

        Returns:
            dict[str, Tensor]: Scores of shape (N,), in the order of the
            layers, with their graph where gradients are enabled; by the
            layer's key, which further parts of a target extend. A part that
            no image has is left out; ``parts`` has it.

        Raises:
            LayerError: If a layer was not reached or cannot be read.
            TargetError: If a target returns anything but (N,) numbers.
        """
        shape = tuple(inputs.shape[1:])
        plan = self._plans.get(shape)
        calls = self.calls if plan is None else plan.calls
        run = Reading(
            self.layers, inputs, target, metas, plan, self.front, calls, whole
        )
        tap = tapped(run.by_module, run.returned)
        with tap, run.history or nullcontext():
            with suppress(Enough):
                forward(inputs)
        self._plans[shape] = run.finished()
        self._calls = self._plans[shape].calls
        self._outputs = self._outputs or run.outputs
        found = run.ordered()
        self.parts = {
            key: replace(part, scores=part.scores.detach())
            for key, part in found.items()
        }
        return {k: part.scores for k, part in found.items() if part.pixels}

    def contexts(self, input_shape: tuple) -> dict[str, Grid]:
        """Each output's grid at an input shape (C, H, W) that was run."""
        return dict(self._plans[tuple(input_shape)].grids)

    def steps(self, input_shape: tuple) -> dict[str, Steps]:
        """For each output, the multiples at which crops keep its grid.

        None where a grid on the way does not lie on whole pixels.
        """
        return dict(self._plans[tuple(input_shape)].steps)

    def only(self, keys: Iterable[str]) -> Capture:
        """Some outputs alone, once a forward has shown which there are."""
        chosen = set(keys)
        layers = [v for key, v in self._outputs.items() if key in chosen]
        only = Capture(layers, self.front, self._calls)
        only._outputs = dict(self._outputs)
        return only
