"""Run a model once and hand each asked layer's output to its target.

The score is taken at the moment the layer returns, before an in-place
operation overwrites its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from .errors import LayerError, TargetError
from .geometry import Grid
from .grid_history import GridHistory, Steps
from .layers import Layer, output_key, shorten
from .outputs import (
    OutputContext,
    describe,
    leaves,
    pick,
    to_nchw,
    undecided,
)
from .tap import tapped
from .targets import Target, TargetContext


class _Enough(BaseException):
    """Ends a forward once the last asked layer has returned."""


@dataclass
class _Plan:
    """What one forward at one input size has taught."""

    calls: dict[str, int] = field(default_factory=dict)  # by module name
    grids: dict[str, Grid] = field(default_factory=dict)  # by output key
    steps: dict[str, Steps] = field(default_factory=dict)  # by output key


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
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        front: int = 0,
        calls: Mapping[str, int] | None = None,
    ) -> None:
        self.layers, self.front = list(layers), front
        self.calls = calls
        self._plans: dict[tuple, _Plan] = {}
        self._outputs: dict[str, Layer] = {}
        self._calls = calls

    def scores(
        self,
        forward: Callable[[Tensor], Any],
        inputs: Tensor,
        target: Target,
        metas: Sequence[Mapping] | None = None,
    ) -> dict[str, Tensor]:
        """Run the model once and score every asked layer.

        Args:
            forward (callable): Runs the model on ``inputs``.
            inputs (Tensor): Shape (N, C, H, W).
            target (Target): What is scored.
            metas (sequence of mappings, optional): One per image.

        Returns:
            dict[str, Tensor]: Layer key to scores, shape (N,), in the order
            of the layers; with their graph where gradients are enabled.

        Raises:
            LayerError: If a layer was not reached or cannot be read.
            TargetError: If a target returns anything but (N,) numbers.
        """
        shape = tuple(inputs.shape[1:])
        plan = self._plans.get(shape)
        calls = self.calls if plan is None else plan.calls
        run = _Run(self.layers, inputs, target, metas, plan, self.front, calls)
        tap = tapped(run.by_module, run.returned)
        with tap, run.history or nullcontext():
            with suppress(_Enough):
                forward(inputs)
        self._plans[shape] = run.finished()
        self._outputs = self._outputs or run.outputs
        self._calls = self._plans[shape].calls
        return run.ordered()

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
        only._outputs, only._calls = dict(self._outputs), self._calls
        return only


class _Run:
    """One forward pass: counts calls, reads outputs, keeps scores."""

    def __init__(
        self,
        layers: list[Layer],
        inputs: Tensor,
        target: Target,
        metas: Sequence[Mapping] | None,
        plan: _Plan | None,
        front: int,
        expected: Mapping[str, int] | None,
    ) -> None:
        self.front, self.expected = front, expected
        self.layers, self.inputs, self.target = layers, inputs, target
        self.metas, self.plan = metas, plan
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.history = GridHistory(self.size) if plan is None else None
        self.calls = dict.fromkeys((layer.name for layer in layers), 0)
        self.by_module: dict[nn.Module, list[Layer]] = {}
        for layer in layers:
            self.by_module.setdefault(layer.module, []).append(layer)
        self.scores: dict[str, dict[str, Tensor]] = {}
        self.grids: dict[str, dict[str, Grid]] = {}
        self.outputs: dict[str, Layer] = {}
        self.steps: dict[str, Steps] = {}

    def returned(self, module: nn.Module, output: Any) -> None:
        """Called as a tapped module returns: read it, or end the forward."""
        layers = self.by_module[module]
        call = self.calls[layers[0].name]
        for layer in layers:
            self.calls[layer.name] = call + 1
        for layer in layers:
            if self._wanted(layer, call):
                self._read(layer, output)
        if self._complete():
            raise _Enough

    def _wanted(self, layer: Layer, call: int) -> bool:
        if layer.call is not None:
            return call == layer.call
        return self.expected is None or call == self.expected[layer.name] - 1

    def _complete(self) -> bool:
        expected = self.expected
        return expected is not None and all(
            self.calls[layer.name]
            >= (expected[layer.name] if layer.call is None else layer.call + 1)
            for layer in self.layers
        )

    def _read(self, layer: Layer, output: Any) -> None:
        scores: dict[str, Tensor] = {}
        grids: dict[str, Grid] = {}
        try:
            chosen = pick(output, layer.indices, layer.key)
            self._read_leaves(layer, chosen, scores, grids)
        except LayerError:
            if layer.optional:
                return
            raise
        if not scores:
            if layer.optional:
                return
            context = self._context(layer, layer.key)
            raise undecided(layer.key, chosen, context)
        self.scores[layer.key], self.grids[layer.key] = scores, grids

    def _read_leaves(
        self,
        layer: Layer,
        chosen: Any,
        scores: dict[str, Tensor],
        grids: dict[str, Grid],
    ) -> None:
        for indices, leaf in leaves(chosen):
            key = output_key(layer.key, indices)
            nchw = to_nchw(leaf, self._context(layer, key))
            if nchw is None or (self.plan and key not in self.plan.grids):
                continue
            grid = self._grid(key, nchw)
            if self.history is not None:
                self.outputs[key] = replace(
                    layer, indices=(*layer.indices, *indices)
                )
                self.steps[key] = self.history.steps()
            score = self._score(key, nchw, grid)
            if layer.optional and not _can_be_measured(score):
                continue
            scores[key], grids[key] = score, grid

    def _context(self, layer: Layer, key: str) -> OutputContext:
        grid, sizes = layer.grid, []
        if self.history is not None:
            sizes = list(self.history.grids)
        elif self.plan is not None and key in self.plan.grids:
            grid = self.plan.grids[key].size  # as the whole forward read it
        return OutputContext(
            len(self.inputs),
            self.size,
            sizes,
            grid,
            layer.layout,
            layer.first,
            self.front,
        )

    def _grid(self, key: str, nchw: Tensor) -> Grid:
        if self.history is not None:
            return self.history.grid((int(nchw.shape[2]), int(nchw.shape[3])))
        assert self.plan is not None
        return self.plan.grids[key]

    def _score(self, key: str, nchw: Tensor, grid: Grid) -> Tensor:
        context = TargetContext(key, self.size, grid, self.metas)
        # A clone, since what a target saves for its own backward (a clamp
        # saves its input) must outlive an in-place operation that follows.
        score = self.target(nchw.clone(), context)
        if not isinstance(score, Tensor) or score.shape != nchw.shape[:1]:
            raise TargetError(
                f'{key}: the target returned {describe(score)} for '
                f'{len(nchw)} image(s); return one number an image, shape '
                f'({len(nchw)},)'
            )
        return score

    def finished(self) -> _Plan:
        """The plan for later runs; checks that every layer was reached."""
        for layer in self.layers:
            if layer.key in self.scores or layer.optional:
                continue
            count = self.calls[layer.name]
            if layer.call is not None and count:
                raise LayerError(
                    f'{layer.key}: the layer is called {count} time(s) in a '
                    f'forward; ask for @0 to @{count - 1}'
                )
            raise LayerError(
                f'{shorten(layer.name)} is not run in inference, so it has '
                'no receptive field there; choose a layer that is'
            )
        if self.plan is not None:
            return self.plan
        if not self.scores:
            raise LayerError(
                'none of the layers that match is run in inference with an '
                'output that can be measured; --list-layers prints those '
                'that can'
            )
        grids = {
            k: g for found in self.grids.values() for k, g in found.items()
        }
        calls = self.calls if self.expected is None else dict(self.expected)
        return _Plan(calls, grids, self.steps)

    def ordered(self) -> dict[str, Tensor]:
        """Scores in the order in which the layers were asked for."""
        return {
            key: score
            for layer in self.layers
            for key, score in self.scores.get(layer.key, {}).items()
        }


def _can_be_measured(score: Tensor) -> bool:
    return score.requires_grad or not torch.is_grad_enabled()
