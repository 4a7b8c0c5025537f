"""A measurement in progress: batches go in, ERFResults come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .accumulate import Accumulator
from .capture import Capture
from .deviation import Deviation
from .errors import MeasurementError
from .frames import resized
from .gathering import (
    Gathering,
    all_left_out,
    left_out,
    nothing_there,
)
from .geometry import Grid
from .layers import find_layers
from .memory import FIRST, images_that_fit, saved_bytes
from .outputs import front_tokens
from .passes import Passes
from .precision import precision
from .preserve import preserved
from .provenance import aligned_at, in_words
from .question import build_question
from .reduction import Add, Gather, reduced
from .result import ERFResult
from .results import result_of
from .retry import in_parts, not_retried
from .settings import (
    check_amp,
    check_batch_size,
    check_inputs,
    check_shares,
    check_size,
)
from .statistics import SHARES
from .support import Support
from .targets import bind


class Measurement:
    """A measurement that images are handed to as they come.

    Args:
        model (nn.Module): Without wrappers such as DDP.
        layers: Which layers; see :func:`mmerf.core.layers.find_layers`.
        target: A target, its name or ``dict(type=...)``, or a list of them,
            one for each image of a batch; None for the centre unit.
        attribution: An attribution, its name or ``dict(type=...)``; None for
            the positive input gradient.
        shares (sequence of float): Shares that the statistics report.
        input_size (tuple[int, int], optional): Resize every input to this
            (H, W), bilinear, before the model sees it.
        batch_size (int, optional): Most images in one pass; None for as many
            as memory holds.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``: autocast the
            forward, and measure the first images in float32 as well, so that
            results say what it changes. None measures in float32.
        classes (sequence of str, optional): Names of the dataset's classes,
            for targets that name some.

    Raises:
        ConfigError: If an argument cannot be followed.
        LayerError: If a layer request matches nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str | dict] | str | None = None,
        *,
        target: Any = None,
        attribution: Any = None,
        shares: Sequence[float] = SHARES,
        input_size: Sequence[int] | None = None,
        batch_size: int | None = None,
        amp: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.model = model
        self.target, self.attribution = build_question(target, attribution)
        self.classes = None if classes is None else list(classes)
        if hasattr(self.target, 'check_classes'):
            self.target.check_classes(self.classes)
        self.shares = check_shares(shares)
        self.input_size = check_size(input_size)
        self.batch_size = check_batch_size(batch_size)
        self.amp = check_amp(amp)
        self.capture = Capture(find_layers(model, layers), front_tokens(model))
        self.passes = Passes(model, self.capture, self.attribution)
        self.fitting: int | None = None  # images in a pass, by memory
        self.deviation: Deviation | None = None
        if self.amp is not None:
            self.deviation = Deviation(
                lambda: Measurement(
                    model,
                    layers,
                    target=self.target,
                    attribution=self.attribution,
                    input_size=input_size,
                    classes=classes,
                ),
                self.amp,
            )
        self.accumulators: dict[str, Accumulator] = {}
        self.grids: dict[str, set[Grid]] = {}
        self.seen = 0
        self.input_shape: tuple[int, ...] = ()  # (C, H, W) of the last pass
        self.theory: dict[str, Support] = {}
        self.input_kind = 'whole image'  # what the inputs are, in words

    @property
    def layers(self) -> list[str]:
        """Names of the asked modules."""
        return [layer.name for layer in self.capture.layers]

    @property
    def kind(self) -> str:
        """What the results are: ``'erf'`` or ``'attention'``."""
        return getattr(self.attribution, 'kind', 'erf')

    def update(
        self,
        inputs: Tensor,
        forward: Callable[..., Any] | None = None,
        metas: Sequence[Mapping] | None = None,
        names: Sequence[str] | None = None,
        labels: Tensor | None = None,
    ) -> None:
        """Measure a batch and add it to the mean.

        Args:
            inputs (Tensor): The model's input, shape (N, C, H, W), float; or
                clips (N, frames, C, H, W).
            forward (callable, optional): ``forward(inputs, metas)`` runs the
                model; None calls ``model(inputs)``.
            metas (sequence of mappings, optional): One per image.
            names (sequence of str, optional): What to call each image.
            labels (Tensor, optional): Ground truth over the whole input,
                class indices of shape (N, H', W').

        Raises:
            MeasurementError, LayerError, TargetError: If a pass cannot be
                measured; nothing of that pass is added then, and the model
                is as it was. Passes before it, where ``batch_size`` splits
                the batch, stay. Where memory runs out, halves of the pass
                are measured, down to one image, and so for the rest.
        """
        check_inputs(inputs)
        if names is None:
            names = [f'image {self.seen + i}' for i in range(len(inputs))]
        if hasattr(self.target, 'check_length'):
            self.target.check_length(len(inputs))

        def measure(part: slice) -> None:
            self._update_part(
                inputs[part],
                forward,
                None if metas is None else metas[part],
                names[part],
                None if labels is None else labels[part],
                part.start,
            )

        step = self.batch_size or self.fitting or FIRST
        known = self.batch_size or self.fitting
        with nullcontext() if known else saved_bytes() as saved:
            allowed = in_parts(measure, len(inputs), step)
        if allowed != step:  # memory ran out
            self.batch_size = allowed
        elif saved is not None and len(inputs):
            each = saved.total // min(len(inputs), step)
            self.fitting = images_that_fit(self._device(inputs), each)
        if self.deviation is not None:
            self.deviation.update(inputs, forward, metas, names, labels)

    def _device(self, inputs: Tensor) -> torch.device:
        first = next(self.model.parameters(), None)
        return inputs.device if first is None else first.device

    def _update_part(
        self,
        inputs: Tensor,
        forward: Callable[..., Any] | None,
        metas: Sequence[Mapping] | None,
        names: Sequence[str],
        labels: Tensor | None,
        start: int,
    ) -> None:
        model, target = self.model, self.target
        if hasattr(target, 'select'):
            target = target.select(range(start, start + len(inputs)))
        device = self._device(inputs)

        def run(images: Tensor, of: Sequence[int] | None = None) -> Any:
            if forward is None:
                return model(images)
            if of is None or metas is None:
                return forward(images, metas)
            return forward(images, [metas[i] for i in of])

        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            precision(device.type, self.amp),
            preserved(model),
        ):
            images = resized(inputs.to(device), self.input_size)
            size = (int(images.shape[-2]), int(images.shape[-1]))
            gathering = Gathering(
                names, size, in_place=self.kind == 'attention'
            )
            bound = bind(target, model, run, images, labels, self.classes)
            done = self.passes.run(
                run, images, target, bound, metas, gathering
            )
        self.input_shape = tuple(images.shape[1:])
        with not_retried():  # half of the pass may be in the mean
            gathering.join(*done, self.accumulators, self.grids)
        self.seen += len(inputs)

    def reduce(self, gather: Gather, add: Add) -> None:
        """Merge with those of other processes, all at once: see reduction."""
        every = gather(
            (self.seen, self.input_kind, self.input_shape, self.grids)
        )
        self.accumulators = reduced(self.accumulators, gather, add)
        self.seen, self.grids = 0, {}
        for seen, kind, shape, grids in every:
            self.seen += seen
            if seen:
                self.input_kind, self.input_shape = kind, shape
            for key, some in grids.items():
                self.grids.setdefault(key, set()).update(some)

    def compute(
        self, provenance: Mapping | None = None
    ) -> dict[str, ERFResult]:
        """The results so far, in the order of the layers.

        Args:
            provenance (mapping, optional): To store with every result.

        Raises:
            MeasurementError: If no image was measured at all.
        """
        if not self.seen:
            raise MeasurementError('no image was measured; give at least one')
        return {
            key: result_of(self, key, accumulator, provenance or {})
            for key, accumulator in self.accumulators.items()
            if accumulator.count
        }

    def excluded(self) -> dict[str, list[str]]:
        """Names of the images left out as not finite, by layer."""
        return left_out(self.accumulators)

    def failures(self) -> dict[str, str]:
        """Layers without any finite map, and why."""
        return all_left_out(self.accumulators)

    def absent(self) -> dict[str, str]:
        """Results that there are none of: no image had what was asked."""
        return nothing_there(self.accumulators)

    def definition(self) -> dict[str, str]:
        """What this measurement scores and attributes, in words."""
        where = aligned_at(self.target, self.kind)
        return {
            'score': in_words(self.target),
            'map': in_words(self.attribution),
            'input': self.input_kind,
            'average': f'mean over images, aligned at {where}',
            'precision': self.amp or 'float32',
        }
