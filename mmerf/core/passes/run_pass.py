"""Measure one pass of images, and leave everything as it was."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..aggregate.batch_maps import Gathering
from ..aggregate.class_shares import ClassSharing
from ..batch import Batch
from ..errors import ERFError, one_line
from ..following.graph import NotFollowed
from ..layers.clips import resize_images
from ..options import MeasurementOptions
from ..running.memory import free_traceback
from ..running.precision import precision
from ..shortcuts.beside import NotTogether
from ..state.isolation import Preserved
from ..targets.base import Target
from ..targets.pass_context import bind_target
from .again import RunAgain
from .execute import Grids, Passes

CHANGES_WEIGHTS = 'the model changes its parameters as it runs'
Done = tuple[Gathering, tuple[list[str], Grids], tuple[int, ...]]


def run_pass(
    passes: Passes,
    batch: Batch,
    labels: Tensor | None,
    target: Target,
    options: MeasurementOptions,
    amp: str | None,
    first: bool = True,
) -> Done:
    """Measure a pass; once more, with fewer shortcuts, if the model wants it.

    Args:
        passes (Passes): Of the measurement.
        batch (Batch): Images on the model's device.
        labels (Tensor, optional): Of these images, if the target needs them.
        target (Target): What is scored, for these images.
        options (MeasurementOptions): Of the measurement.
        amp (str, optional): Precision of the pass; None for float32.
        first (bool): Whether these images were not run before.

    Returns:
        tuple: The maps of these images, the keys and grids of the outputs that
        were measured, and the inputs' (C, H, W).

    Raises:
        NotTogether: If images that were given one by one are to be run so.
        Exception: Whatever the model raises in the plain layout.
    """
    try:
        kept, done = _preserved_pass(
            passes, batch, labels, target, options, amp, first
        )
    except (RunAgain, NotFollowed):
        pass
    except Exception as error:  # whatever the model's code raises
        if passes.witness.together:
            free_traceback(error)
            if not getattr(error, 'again', False):
                raise NotTogether(one_line(error, 80)) from None
        elif not passes.budget.search_for_memory(error, batch.inputs):
            scored = passes.layers
            if (
                isinstance(error, ERFError)
                and not scored.noticed.reads_strides
            ):
                raise
            device = batch.inputs.device
            if not passes.layout.gives_up(error, batch.inputs, device):
                raise
            passes.forget_plans()
    else:
        if not (kept.changed and passes.run_plainly(CHANGES_WEIGHTS)):
            return done
    return run_pass(passes, batch, labels, target, options, amp, False)


def _preserved_pass(
    passes: Passes,
    batch: Batch,
    labels: Tensor | None,
    target: Target,
    options: MeasurementOptions,
    amp: str | None,
    first: bool,
) -> tuple[Preserved, Done]:
    kept = Preserved(passes.model, between=passes.between)
    try:
        with (
            kept,
            torch.inference_mode(False),
            torch.enable_grad(),
            precision(batch.inputs.device.type, amp),
        ):
            images = resize_images(batch.inputs, options.input_size)
            batch = replace(batch, inputs=images)
            if first:
                passes.budget.count(images)
            gathering = Gathering(
                batch.names,
                (int(images.shape[-2]), int(images.shape[-1])),
                in_place=passes.attribution.kind == 'attention',
            )
            with passes.switched_off.applied(batch):
                bound = bind_target(
                    target, passes.model, batch, images, labels,
                    options.classes, options.by_class is not None,
                )  # fmt: skip
                if options.by_class is not None:
                    gathering.sharing = ClassSharing(bound)
                done = passes.run(batch, bound, gathering)
    finally:
        kept.give_back()
    return kept, (gathering, done, tuple(images.shape[1:]))
