"""One forward pass of a model, read at the layers that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from ..errors import LayerError
from ..following.graph import GraphFollower, NotFollowed
from ..following.places import Steps
from ..following.tracer import GridTracer
from ..grid.coordinates import Grid
from ..grid.reading import Reading
from ..layers.defaults import OUTPUT
from ..layers.names import Layer, output_key, shorten
from ..layers.output_forms import undecided_form
from ..layers.single_outputs import leaves, pick
from ..targets.base import Part, Target, TargetContext, keyed_parts
from .intercept import HandedToPython
from .probes import Recorder
from .read_output import Output, OutputReader, PassPlan, Undecided


class StopForward(Exception):
    """Ends a forward once the last measured layer has returned.

    If a model's own code catches it, the forward goes on and nothing more is
    read. It derives from ``Exception``, so that hooks registered with
    ``always_call`` run.
    """


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
        behaved (mapping, optional): Layouts of outputs that cannot be
            followed, by output key; None collects such outputs.
        by_graph (bool): Follow autograd's graph, where there is one, instead
            of every operation.

    Attributes:
        undecided (dict[str, Undecided]): Outputs that may be feature maps,
            and whose layout is not known, by output key.
        changed (bool): Whether an output has another shape than the plan says.
        not_followed (bool): Whether the graph does not tell where the units
            of an output sit.
        reading_failed (bool): Whether an exception came from reading an
            output, and not from the model's own code.
        recorder (Recorder, optional): Is shown the first image's outputs.
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
        behaved: Mapping[str, Reading] | None = None,
        by_graph: bool = False,
    ) -> None:
        self.undecided: dict[str, Undecided] = {}
        self.unread: dict[str, LayerError] = {}
        self.expected, self.whole = expected, whole
        self.layers, self.inputs, self.target = layers, inputs, target
        self.plan = plan
        self.reading_failed = self.changed = self.not_followed = False
        self.recorder: Recorder | None = None
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.tracer: GridTracer | None = None
        self.follower: GridTracer | GraphFollower | None = None
        if plan is None and by_graph and GraphFollower.can_follow(inputs):
            self.follower = GraphFollower(inputs)
        elif plan is None:
            self.follower = self.tracer = GridTracer(inputs)
        self.reader = OutputReader(inputs, self.follower, plan, front, behaved)
        self.calls = dict.fromkeys((layer.name for layer in layers), 0)
        self.by_module: dict[nn.Module, list[Layer]] = {}
        for layer in layers:
            self.by_module.setdefault(layer.module, []).append(layer)
        self.parts: dict[str, dict[str, Part]] = {}
        self.grids: dict[str, dict[str, Grid]] = {}
        self.outputs: dict[str, Layer] = {}
        self.readings: dict[str, Reading] = {}
        self.steps: dict[str, Steps] = {}

    def noticing(self) -> AbstractContextManager[None]:
        """Shows the tracer what no operation does."""
        if self.tracer is None:
            return nullcontext()
        return HandedToPython(self.tracer.notice_values)

    def tapped(self) -> list[nn.Module]:
        """The modules to watch: all but the model, for its own output."""
        return [
            module
            for module, layers in self.by_module.items()
            if layers[0].name != OUTPUT
        ]

    def on_end(self, output: Any) -> None:
        """Called with what the forward returned: the model's own output."""
        for module, layers in self.by_module.items():
            if layers[0].name == OUTPUT:
                self.on_return(module, output)

    def on_return(self, module: nn.Module, output: Any) -> None:
        """Called as a module returns: read its output, or end the forward."""
        try:
            self._read_or_stop(module, output)
        except StopForward:
            raise
        except NotFollowed:
            self.not_followed = True
            raise StopForward from None
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
            context = self.reader.context(layer, layer.key)
            self.unread[layer.key] = undecided_form(layer.key, chosen, context)
            return
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
            if self.plan and key not in self.plan.grids:
                continue
            read = self.reader.read(layer, key, leaf)
            if read is None:
                self._keep_undecided(key, leaf)
                continue
            found = self._parts(key, leaf, read)
            measurable = (part.measurable for part in found.values())
            if layer.optional and not all(measurable):
                continue
            parts.update(found)
            grids[key] = read.grid
            if self.follower is not None:
                within = (*layer.indices, *indices)
                self.outputs[key] = replace(layer, indices=within)
                self.steps[key] = self.follower.places.steps()
                self.readings[key] = read.layout

    def _keep_undecided(self, key: str, leaf: Any) -> None:
        self.changed = self.plan is not None
        undecided = self.reader.undecided(leaf)
        if undecided is not None:
            self.undecided[key] = undecided

    def _parts(self, key: str, leaf: Any, read: Output) -> dict[str, Part]:
        if self.target.watch(key, leaf, read.read):
            return {}
        context = TargetContext(key, self.size, read.grid)
        if self.recorder is not None:
            with _disable_current_modes():  # it is no operation of the model
                self.recorder(read.nchw[:1].detach(), context)
        # A clone: what a target saves for its backward (a clamp saves its
        # input) must outlive an in-place operation of the model that follows.
        return keyed_parts(self.target, read.nchw.clone(), context)

    def checked_plan(self) -> PassPlan:
        """The plan for later forwards, once every layer was reached.

        Raises:
            LayerError: If a layer was not reached, or nothing could be read.
        """
        for layer in self.layers:
            if layer.key in self.parts or layer.optional:
                continue
            if layer.key in self.unread:
                raise self.unread[layer.key]
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
        return PassPlan(calls, grids, self.readings, self.steps)

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
