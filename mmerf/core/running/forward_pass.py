"""One forward pass of a model, read at the layers that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ..errors import LayerError
from ..grid.coordinates import Grid
from ..grid.tracer import GridTracer, Steps
from ..layers.clips import to_images
from ..layers.names import Layer, output_key, shorten
from ..layers.output_forms import OutputContext, leaves, pick, undecided
from ..targets.base import Part, Target, TargetContext, keyed_parts


class StopForward(Exception):
    """Ends a forward once the last measured layer has returned.

    Where a model's own code catches it the forward goes on, and nothing more
    is read. An ``Exception``, so that hooks registered with ``always_call``
    run.
    """


@dataclass
class PassPlan:
    """What one forward at one input size has taught."""

    calls: dict[str, int] = field(default_factory=dict)  # by module name
    grids: dict[str, Grid] = field(default_factory=dict)  # by output key
    steps: dict[str, Steps] = field(default_factory=dict)  # by output key


class ForwardPass:
    """One forward pass: counts calls, reads outputs, keeps scores.

    Args:
        layers (list of Layer): Which outputs to read.
        inputs (Tensor): The images, shape (N, C, H, W).
        target (Target): What is scored.
        plan (PassPlan, optional): What an earlier forward at this size has
            shown; None follows the grids' history.
        front (int): Tokens that the model has in front of its grids.
        expected (mapping, optional): How often each module is called, where
            that is known: the forward then ends after the last layer.
        whole (bool): Run the model to its end all the same.

    Attributes:
        at_fault (bool): Whether reading an output raised, as opposed to the
            model's own code.
    """

    def __init__(
        self,
        layers: list[Layer],
        inputs: Tensor,
        target: Target,
        plan: PassPlan | None,
        front: int,
        expected: Mapping[str, int] | None,
        whole: bool,
    ) -> None:
        self.front, self.expected, self.whole = front, expected, whole
        self.layers, self.inputs, self.target = layers, inputs, target
        self.plan = plan
        self.at_fault = False
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.history = GridTracer(self.size) if plan is None else None
        self.calls = dict.fromkeys((layer.name for layer in layers), 0)
        self.by_module: dict[nn.Module, list[Layer]] = {}
        for layer in layers:
            self.by_module.setdefault(layer.module, []).append(layer)
        self.parts: dict[str, dict[str, Part]] = {}
        self.grids: dict[str, dict[str, Grid]] = {}
        self.outputs: dict[str, Layer] = {}
        self.steps: dict[str, Steps] = {}

    def returned(self, module: nn.Module, output: Any) -> None:
        """Called as a module returns: read its output, or end the forward."""
        try:
            self._returned(module, output)
        except StopForward:
            raise
        except Exception:
            self.at_fault = True
            raise

    def _returned(self, module: nn.Module, output: Any) -> None:
        layers = self.by_module[module]
        call = self.calls[layers[0].name]
        for layer in layers:
            self.calls[layer.name] = call + 1
        for layer in layers:
            if self._wanted(layer, call):
                self._read(layer, output)
        if self._complete():
            raise StopForward

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
            sizes = list(self.history.maps.grids)
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
        shape = tuple(self.inputs.shape)
        if self.target.watch(
            key, leaf, lambda other: to_images(other, reading, shape)
        ):
            return {}
        context = TargetContext(key, self.size, self._grid(key, nchw))
        # A clone, since what a target saves for its own backward (a clamp
        # saves its input) must outlive an in-place operation that follows.
        return keyed_parts(self.target, nchw.clone(), context)

    def finished(self) -> PassPlan:
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
        return PassPlan(calls, grids, self.steps)

    def order(self) -> list[str]:
        """Keys of the outputs that were read, in the order of the layers."""
        return [
            key
            for layer in self.layers
            for key in self.grids.get(layer.key, {})
        ]

    def ordered(self) -> dict[str, Part]:
        """Parts in the order of the layers."""
        return {
            key: part
            for layer in self.layers
            for key, part in self.parts.get(layer.key, {}).items()
        }
