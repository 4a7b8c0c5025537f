"""One forward pass of a model, read at the layers that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ..errors import LayerError
from ..grid.coordinates import Grid
from ..grid.tracer import GridTracer, Steps
from ..layers.clips import frames_to_channels
from ..layers.names import Layer, output_key, shorten
from ..layers.output_forms import OutputContext, leaves, pick, undecided_form
from ..targets.base import Part, Target, TargetContext, keyed_parts


class StopForward(Exception):
    """Ends a forward once the last measured layer has returned.

    If a model's own code catches it, the forward goes on and nothing more is
    read. It derives from ``Exception``, so that hooks registered with
    ``always_call`` run.
    """


@dataclass
class PassPlan:
    """What one forward recorded, for later ones at the same input size.

    Attributes:
        calls (dict[str, int]): How often each module was called, by name.
        grids (dict[str, Grid]): Each output's grid, by output key.
        steps (dict[str, Steps]): At which multiples (px) crops keep an
            output's grid, by output key.
    """

    calls: dict[str, int] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    steps: dict[str, Steps] = field(default_factory=dict)


class ForwardPass:
    """One forward pass: counts calls, reads outputs, keeps scores.

    Args:
        layers (list of Layer): Which outputs to read.
        inputs (Tensor): The images, shape (N, C, H, W).
        target (Target): What is scored.
        plan (PassPlan, optional): Record of an earlier forward at this size;
            None traces the grids anew.
        front (int): Tokens that the model has in front of its grids.
        expected (mapping, optional): How often each module is called, by
            name; the forward then ends once the last layer has returned.
        whole (bool): Run the model to its end even so.

    Attributes:
        reading_failed (bool): Whether an exception came from reading an
            output, and not from the model's own code.
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
        self.reading_failed = False
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.tracer = GridTracer(self.size) if plan is None else None
        self.calls = dict.fromkeys((layer.name for layer in layers), 0)
        self.by_module: dict[nn.Module, list[Layer]] = {}
        for layer in layers:
            self.by_module.setdefault(layer.module, []).append(layer)
        self.parts: dict[str, dict[str, Part]] = {}
        self.grids: dict[str, dict[str, Grid]] = {}
        self.outputs: dict[str, Layer] = {}
        self.steps: dict[str, Steps] = {}

    def on_return(self, module: nn.Module, output: Any) -> None:
        """Called as a module returns: read its output, or end the forward."""
        try:
            self._read_or_stop(module, output)
        except StopForward:
            raise
        except Exception:
            self.reading_failed = True
            raise

    def _read_or_stop(self, module: nn.Module, output: Any) -> None:
        layers = self.by_module[module]
        call = self.calls[layers[0].name]
        for layer in layers:
            self.calls[layer.name] = call + 1
        for layer in layers:
            if self._is_measured_call(layer, call):
                self._read(layer, output)
        if self._all_layers_returned():
            raise StopForward

    def _is_measured_call(self, layer: Layer, call: int) -> bool:
        if layer.call is not None:
            return call == layer.call
        return self.expected is None or call == self.expected[layer.name] - 1

    def _all_layers_returned(self) -> bool:
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
            raise undecided_form(layer.key, chosen, context)
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
            context = self._context(layer, key)
            nchw = frames_to_channels(leaf, context, tuple(self.inputs.shape))
            if nchw is None or (self.plan and key not in self.plan.grids):
                continue
            found = self._parts(key, leaf, nchw, context)
            measurable = (part.measurable for part in found.values())
            if layer.optional and not all(measurable):
                continue
            parts.update(found)
            grids[key] = self._grid(key, nchw)
            if self.tracer is not None:
                within = (*layer.indices, *indices)
                self.outputs[key] = replace(layer, indices=within)
                self.steps[key] = self.tracer.steps()

    def _context(self, layer: Layer, key: str) -> OutputContext:
        grid, sizes = layer.grid, []
        if self.tracer is not None:
            sizes = list(self.tracer.maps.grids)
        elif self.plan is not None and key in self.plan.grids:
            grid = self.plan.grids[key].size  # as the first forward read it
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
        if self.tracer is not None:
            return self.tracer.grid((int(nchw.shape[2]), int(nchw.shape[3])))
        assert self.plan is not None
        return self.plan.grids[key]

    def _parts(
        self, key: str, leaf: Any, nchw: Tensor, reading: OutputContext
    ) -> dict[str, Part]:
        shape = tuple(self.inputs.shape)
        if self.target.watch(
            key, leaf, lambda other: frames_to_channels(other, reading, shape)
        ):
            return {}
        context = TargetContext(key, self.size, self._grid(key, nchw))
        # A clone: what a target saves for its backward (a clamp saves its
        # input) must outlive an in-place operation of the model that follows.
        return keyed_parts(self.target, nchw.clone(), context)

    def checked_plan(self) -> PassPlan:
        """The plan for later forwards, once every layer was reached.

        Raises:
            LayerError: If a layer was not reached, or nothing could be read.
        """
        for layer in self.layers:
            if layer.key in self.parts or layer.optional:
                continue
            count = self.calls[layer.name]
            if layer.call is not None and count:
                raise LayerError(
                    f'{layer.key}: the layer is called {count} time(s) in a '
                    f'forward; write @0 to @{count - 1}'
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

    def keys_in_order(self) -> list[str]:
        """Keys of the outputs that were read, in the order of the layers."""
        return [
            key
            for layer in self.layers
            for key in self.grids.get(layer.key, {})
        ]

    def parts_in_order(self) -> dict[str, Part]:
        """Parts in the order of the layers."""
        return {
            key: part
            for layer in self.layers
            for key, part in self.parts.get(layer.key, {}).items()
        }
