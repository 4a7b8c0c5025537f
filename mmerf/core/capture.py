"""Run a model once and hand each asked layer's output to its target.

The score is taken at the moment the layer returns, before an in-place
operation overwrites its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from .errors import LayerError
from .frames import to_images
from .geometry import Grid
from .grid_history import GridHistory, Steps
from .layers import Layer, output_key, shorten
from .outputs import (
    OutputContext,
    leaves,
    pick,
    undecided,
)
from .tap import tapped
from .targets.base import Part, Target, TargetContext, keyed_parts


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
        self._plans: dict[tuple, _Plan] = {}

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
        run = _Run(
            self.layers, inputs, target, metas, plan, self.front, calls, whole
        )
        tap = tapped(run.by_module, run.returned)
        with tap, run.history or nullcontext():
            with suppress(_Enough):
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
        whole: bool,
    ) -> None:
        self.front, self.expected, self.whole = front, expected, whole
        self.layers, self.inputs, self.target = layers, inputs, target
        self.metas, self.plan = metas, plan
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.history = GridHistory(self.size) if plan is None else None
        self.calls = dict.fromkeys((layer.name for layer in layers), 0)
        self.by_module: dict[nn.Module, list[Layer]] = {}
        for layer in layers:
            self.by_module.setdefault(layer.module, []).append(layer)
        self.parts: dict[str, dict[str, Part]] = {}
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
        if self.whole or self.expected is None:
            return False
        return all(
            self.calls[layer.name]
            >= (
                self.expected[layer.name]
                if layer.call is None
                else layer.call + 1
            )
            for layer in self.layers
        )

    def _read(self, layer: Layer, output: Any) -> None:
        parts: dict[str, Part] = {}
        grids: dict[str, Grid] = {}
        try:
            chosen = pick(output, layer.indices, layer.key)
            self._read_leaves(layer, chosen, parts, grids)
        except LayerError:
            if layer.optional:
                return
            raise
        if not grids:
            if layer.optional:
                return
            context = self._context(layer, layer.key)
            raise undecided(layer.key, chosen, context)
        self.parts[layer.key], self.grids[layer.key] = parts, grids

    def _read_leaves(
        self,
        layer: Layer,
        chosen: Any,
        parts: dict[str, Part],
        grids: dict[str, Grid],
    ) -> None:
        for indices, leaf in leaves(chosen):
            key = output_key(layer.key, indices)
            reading = self._context(layer, key)
            nchw = to_images(leaf, reading, tuple(self.inputs.shape))
            if nchw is None or (self.plan and key not in self.plan.grids):
                continue
            found = self._parts(key, leaf, nchw, reading)
            measurable = (part.measurable for part in found.values())
            if layer.optional and not all(measurable):
                continue
            parts.update(found)
            grids[key] = self._grid(key, nchw)
            if self.history is not None:
                within = (*layer.indices, *indices)
                self.outputs[key] = replace(layer, indices=within)
                self.steps[key] = self.history.steps()

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

    def _parts(
        self, key: str, leaf: Any, nchw: Tensor, reading: OutputContext
    ) -> dict[str, Part]:
        if hasattr(self.target, 'watch'):
            shape = tuple(self.inputs.shape)
            self.target.watch(
                key, leaf, lambda other: to_images(other, reading, shape)
            )
            return {}
        grid = self._grid(key, nchw)
        context = TargetContext(key, self.size, grid, self.metas)
        # A clone, since what a target saves for its own backward (a clamp
        # saves its input) must outlive an in-place operation that follows.
        return keyed_parts(self.target, nchw.clone(), context)

    def finished(self) -> _Plan:
        """The plan for later runs; checks that every layer was reached."""
        for layer in self.layers:
            if layer.key in self.parts or layer.optional:
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
        if not self.parts:
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

    def ordered(self) -> dict[str, Part]:
        """Parts in the order in which the layers were asked for."""
        return {
            key: part
            for layer in self.layers
            for key, part in self.parts.get(layer.key, {}).items()
        }
