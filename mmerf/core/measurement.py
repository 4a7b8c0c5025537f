"""A measurement in progress: batches go in, ERFResults come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import uncertainty
from .accumulate import Accumulator
from .attributions import ATTRIBUTIONS
from .capture import Capture
from .errors import MeasurementError
from .geometry import Grid
from .layers import find_layers
from .outputs import front_tokens
from .precision import precision
from .preserve import preserved
from .provenance import in_words, versions
from .result import ERFResult
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
from .targets import TARGETS, build


class Measurement:
    """A measurement that images are handed to as they come.

    Args:
        model (nn.Module): Without wrappers such as DDP.
        layers: Which layers; see :func:`mmerf.core.layers.find_layers`.
        target: A target, its name or ``dict(type=...)``; None for the
            centre unit.
        attribution: An attribution, its name or ``dict(type=...)``; None for
            the positive input gradient.
        shares (sequence of float): Shares that the statistics report.
        input_size (tuple[int, int], optional): Resize every input to this
            (H, W), bilinear, before the model sees it.
        batch_size (int, optional): Most images in one pass; None for as many
            as come at once.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``: autocast the
            forward. None measures in float32.

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
    ) -> None:
        self.model = model
        self.target = build(target, TARGETS, 'CentreUnit')
        self.attribution = build(attribution, ATTRIBUTIONS, 'InputGradient')
        self.shares = check_shares(shares)
        self.input_size = check_size(input_size)
        self.batch_size = check_batch_size(batch_size)
        self.amp = check_amp(amp)
        self.capture = Capture(find_layers(model, layers), front_tokens(model))
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

    def update(
        self,
        inputs: Tensor,
        forward: Callable[..., Any] | None = None,
        metas: Sequence[Mapping] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Measure a batch and add it to the mean.

        Args:
            inputs (Tensor): The model's input, shape (N, C, H, W), float.
            forward (callable, optional): ``forward(inputs, metas)`` runs the
                model; None calls ``model(inputs)``.
            metas (sequence of mappings, optional): One per image.
            names (sequence of str, optional): What to call each image.

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

        def measure(part: slice) -> None:
            some = None if metas is None else metas[part]
            self._update_part(inputs[part], forward, some, names[part])

        self.batch_size = in_parts(measure, len(inputs), self.batch_size)

    def _update_part(
        self,
        inputs: Tensor,
        forward: Callable[..., Any] | None,
        metas: Sequence[Mapping] | None,
        names: Sequence[str],
    ) -> None:
        model = self.model
        first = next(model.parameters(), None)
        device = inputs.device if first is None else first.device

        def run(images: Tensor) -> Any:
            return model(images) if forward is None else forward(images, metas)

        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            precision(device.type, self.amp),
            preserved(model),
        ):
            images = inputs.to(device)
            if self.input_size and images.shape[2:] != self.input_size:
                images = functional.interpolate(
                    images, self.input_size, mode='bilinear'
                )
            found = self.attribution(
                run, images, self.target, self.capture, metas
            )
        self.input_shape = tuple(images.shape[1:])
        grids = self.capture.contexts(self.input_shape)
        for key, (maps, scores) in found.items():
            pixel = self._pixel(grids[key], maps)
            self.grids.setdefault(key, set()).add(grids[key])
            accumulator = self.accumulators.setdefault(key, Accumulator())
            maps_nhw = maps.detach().cpu().double().numpy()
            for map_hw, score, name in zip(
                maps_nhw, scores.tolist(), names, strict=True
            ):
                with not_retried():  # half of the pass may be in the mean
                    accumulator.update(map_hw, pixel, score, name)
        self.seen += len(inputs)

    def _pixel(self, grid: Grid, maps: Tensor) -> tuple[float, float]:
        unit = getattr(self.target, 'unit', None)
        if unit is None:
            return float(maps.shape[1] // 2), float(maps.shape[2] // 2)
        return grid.pixel(unit(grid))

    def state(self) -> dict:
        """What was gathered, as another process's ``set_states`` takes it."""
        return {
            'seen': self.seen,
            'accumulators': self.accumulators,
            'grids': self.grids,
            'input_kind': self.input_kind,
            'input_shape': self.input_shape,
        }

    def set_states(self, states: Sequence[Mapping]) -> None:
        """Replace what was gathered by what all these states hold."""
        self.seen, self.accumulators, self.grids = 0, {}, {}
        for state in states:
            self.seen += state['seen']
            if state['seen']:
                self.input_kind = state['input_kind']
                self.input_shape = state['input_shape']
            for key, accumulator in state['accumulators'].items():
                mine = self.accumulators.setdefault(key, Accumulator())
                mine.merge(accumulator)
                self.grids.setdefault(key, set()).update(state['grids'][key])

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
            key: self._result(key, accumulator, provenance or {})
            for key, accumulator in self.accumulators.items()
            if accumulator.count
        }

    def excluded(self) -> dict[str, list[str]]:
        """Names of the images left out as not finite, by layer."""
        return {
            k: a.excluded for k, a in self.accumulators.items() if a.excluded
        }

    def failures(self) -> dict[str, str]:
        """Layers without any finite map, and why."""
        return {
            key: f'all {len(a.excluded)} map(s) hold non-finite values'
            for key, a in self.accumulators.items()
            if not a.count
        }

    def _result(
        self, key: str, accumulator: Accumulator, provenance: Mapping
    ) -> ERFResult:
        gathered = accumulator.compute()
        grids = self.grids[key]
        grid = next(iter(grids)) if len(grids) == 1 else None
        unit = getattr(self.target, 'unit', None)
        sizes = tuple((*s, n) for s, n in sorted(accumulator.sizes.items()))
        return ERFResult(
            map=gathered.map,
            layer=key,
            unit_pixel=gathered.pixel,
            unit=unit(grid) if unit and grid else None,
            grid=grid.size if grid else None,
            stride=grid.stride if grid else None,
            pixel_known=all(g.known for g in grids),
            num_images=accumulator.count,
            zero_score_images=accumulator.zero_score_images,
            excluded=tuple(accumulator.excluded),
            sizes=sizes,
            stderr=gathered.stderr,
            coverage=gathered.coverage if len(sizes) > 1 else None,
            theory=self.theory.get(key),
            uncertainty=uncertainty.summary(accumulator.profiles, self.shares),
            definition=self.definition(),
            shares=self.shares,
            provenance={**versions(), **provenance},
        )

    def definition(self) -> dict[str, str]:
        """What this measurement scores and attributes, in words."""
        return {
            'score': in_words(self.target),
            'map': in_words(self.attribution),
            'input': self.input_kind,
            'average': 'mean over images, aligned at the unit',
            'precision': self.amp or 'float32',
        }
