"""The one forward of an explorer, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..errors import MeasurementError, TargetError
from ..gradient.backward import no_gradient_error
from ..grid.coordinates import Grid, PixelYX
from ..layers.names import find_layers
from ..layers.output_forms import front_tokens
from ..options import MeasurementOptions
from ..running.layer_scores import LayerScores
from ..running.memory import FREE_SHARE, counted, free_memory
from ..running.precision import precision
from ..state.isolation import preserved
from ..switching.switched_off import SwitchedOff
from ..targets.base import TargetContext
from ..targets.pass_context import (
    PassContext,
    head_threshold,
    logits_of,
    predicted_classes,
)
from .kept_graph import KeptGraph
from .kept_outputs import OutputKeeper


@dataclass
class RunOnce:
    """What is kept of a forward.

    Attributes:
        model (nn.Module): As it was before.
        batch (Batch): The image.
        leaf (Tensor): The network's input, (1, C, H, W), of which gradients
            are taken.
        outputs (dict): By layer key, the output (1, C, h, w) with its graph,
            and what a target may know of it.
        grids (dict[str, Grid]): By layer key.
        known (PassContext): Predictions, and the classes.
        switched_off (SwitchedOff): Modules that were off.
        memory (int): Bytes that graph and outputs keep.
    """

    model: nn.Module
    batch: Batch
    leaf: Tensor
    outputs: dict[str, tuple[Tensor, TargetContext]]
    grids: dict[str, Grid]
    known: PassContext
    switched_off: SwitchedOff
    memory: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the input."""
        return int(self.leaf.shape[-2]), int(self.leaf.shape[-1])

    def predicted(self, pixel: PixelYX) -> int | None:
        """The class that the model predicts at a pixel; None without one."""
        if self.known.predictions is None:
            return None
        rows, columns = self.known.predictions.shape[1:]
        y, x = (
            int((place + 0.5) * count / length)
            for place, count, length in zip(
                pixel, (rows, columns), self.size, strict=True
            )
        )
        return int(self.known.predictions[0, y, x])


class _Forwards:
    """Runs the model; keeps the last whole output whose graph is built."""

    def __init__(self, batch: Batch, graph: KeptGraph) -> None:
        self.batch, self.graph = batch, graph
        self.output: Any = None

    def __call__(self, images: Tensor, positions: Sequence[int]) -> Any:
        if not torch.is_grad_enabled():  # a layout is looked for
            return self.batch.forward(images, positions)
        self.graph.restart()
        self.output = None
        with counted(self.graph):
            self.output = self.batch.forward(images, positions)
        return self.output


def run_once(
    model: nn.Module,
    batch: Batch,
    options: MeasurementOptions,
    most_bytes: int | None = None,
) -> RunOnce:
    """Run a model on one image; afterwards it is as it was.

    Args:
        model (nn.Module): Without wrappers.
        batch (Batch): Of one image, on the model's device.
        options (MeasurementOptions): Layers, classes and what is off.
        most_bytes (int, optional): See :class:`Explorer`.

    Raises:
        ERFError: As for :class:`Explorer`.
    """
    off = SwitchedOff(model, options.without)
    layers = off.measurable(find_layers(model, options.layers))
    scored = LayerScores(layers, front_tokens(model))
    device = batch.inputs.device
    free = free_memory(device)
    if most_bytes is None and free is not None:
        most_bytes = int(FREE_SHARE * free)
    graph, keeper = KeptGraph(model, most_bytes), OutputKeeper()
    forwards = _Forwards(batch, graph)
    with (
        preserved(model) as kept,
        torch.inference_mode(False),
        torch.enable_grad(),
        precision(device.type, None),
        off.applied(batch),
    ):
        leaf = batch.inputs.detach().clone().requires_grad_()
        # A clone goes in: some models write to their input.
        scored.read(forwards, leaf.clone(), keeper)
        known = _classes_and_prediction(
            model, batch, forwards.output, options.classes
        )
    if kept.changed:
        raise MeasurementError(
            'the model changes its parameters as it runs, so that its graph '
            'cannot be kept; measure units one by one with measure_erf'
        )
    outputs = {key: keeper.outputs[key] for key in scored.order}
    for key, (output, _) in outputs.items():
        if not output.requires_grad:
            raise no_gradient_error(key)
    bytes_kept = sum(output.nbytes for output, _ in outputs.values())
    return RunOnce(
        model, batch, leaf, outputs, scored.grids(tuple(leaf.shape[1:])),
        known, off, graph.total + bytes_kept,
    )  # fmt: skip


def _classes_and_prediction(
    model: nn.Module, batch: Batch, output: Any, names: Sequence[str] | None
) -> PassContext:
    """What targets may know: the model's classes, and its prediction."""
    predictions = count = None
    with suppress(TargetError):  # it returns no logits
        predictions, count = predicted_classes(
            logits_of(output, 1).detach(), 1, head_threshold(model)
        )
    if count is None and names is not None:
        count = len(names)
    if names is not None and len(names) != count:
        names = None  # the names of another model's classes
    return PassContext(batch.metas, predictions, None, names, count)
