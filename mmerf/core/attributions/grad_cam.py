"""Grad-CAM: where a layer attends for a class; not a receptive field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional

from ..batch import Forward
from ..errors import ConfigError, LayerError
from ..gradient.mended_backward import MendedBackward
from ..grid.coordinates import even_grid
from ..running.layer_scores import LayerScores
from ..targets.base import Part, Target, TargetContext, keyed_parts
from ..targets.pass_context import logits_of
from .base import Attribution, LayerMaps

INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'area')


class GradCAM(Attribution):
    """Activations weighted by the pooled gradients of a score at the logits.

    For each measured layer with activations A and each score s at the
    segmentor's logits: relu(sum over c of mean over y, x of (d s / d A_c)
    times A_c), resized to the input. It shows what a layer attends to for a
    class in one image. It does not measure the size of a field, so it has no
    ERF statistics.

    Args:
        interpolation (str): ``'nearest'``, ``'bilinear'``, ``'bicubic'``
            (negative overshoot is cut) or ``'area'``.
        target (optional): The target at the logits, if the measurement names
            none; None for every class over the region where it is
            predicted.
        scaled (bool): Bring each image's map to 0..1, before it is resized
            and after, as the package pytorch-grad-cam does; a mean over
            images then counts all alike. False keeps the raw values.

    Raises:
        ConfigError: If there is no such interpolation.

    Source: Selvaraju et al. 2017, arXiv:1610.02391; the score over a region,
    Vinogradova et al. 2020, arXiv:2002.11434.
    """

    kind = 'attention'
    repeats = False

    def __init__(
        self,
        interpolation: str = 'bilinear',
        target: Any = None,
        scaled: bool = False,
    ) -> None:
        if interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f'interpolation is {", ".join(INTERPOLATIONS)}, not '
                f'{interpolation!r}'
            )
        self.interpolation, self.scaled = interpolation, bool(scaled)
        self.default_target = target or {'type': 'ClassRegion'}

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        return (
            'Grad-CAM: relu of the activations weighted by the pooled '
            "gradients of the score at the segmentor's logits, resized by "
            f'{self.interpolation}'
            + (', each to 0..1 before and after' if self.scaled else '')
        )

    def __call__(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> Iterator[LayerMaps]:
        """Per-image maps of every layer and score; see InputGradient.

        Raises:
            LayerError: If the logits do not depend on a layer.
            TargetError: If the model returns no logits.
        """
        returned: list[Any] = []

        def run(images: Tensor, positions: Sequence[int]) -> None:
            returned.append(forward(images, positions))

        leaf = inputs.detach().clone().requires_grad_()
        recorder = _OutputRecorder()
        layers.read(run, leaf.clone(), recorder, whole=True)
        logits = logits_of(returned[0], len(inputs))
        size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        logits_size = (int(logits.shape[2]), int(logits.shape[3]))
        grid = even_grid(logits_size, size)
        context = TargetContext('the logits', size, grid)
        parts = list(keyed_parts(target, logits, context).values())
        left = sum(bool(part.pixels) for part in parts)
        for part in parts:
            gradients: Sequence[Tensor | None] = [None] * len(recorder.edges)
            if part.pixels:
                left -= 1
                with MendedBackward():
                    gradients = torch.autograd.grad(
                        part.scores.sum(),
                        list(recorder.edges.values()),
                        retain_graph=left > 0,
                        allow_unused=True,
                    )
            for layer, gradient in zip(recorder.edges, gradients, strict=True):
                maps = None
                if part.pixels:
                    maps = self._map(layer, gradient, recorder, size)
                yield LayerMaps(_part_of_layer(part, layer), maps)

    def _map(
        self,
        layer: str,
        gradient: Tensor | None,
        recorder: _OutputRecorder,
        size: tuple[int, int],
    ) -> Tensor:
        if gradient is None:
            raise LayerError(
                f'{layer}: the logits do not depend on it; choose a layer '
                'that comes before them'
            )
        values = recorder.values[layer]
        weights = recorder.read[layer](gradient).mean(dim=(2, 3), keepdim=True)
        cam = torch.relu((weights * values).sum(dim=1, keepdim=True))
        cam = _to_unit_range(cam) if self.scaled else cam
        resized = functional.interpolate(cam, size, mode=self.interpolation)
        resized = resized.clamp(min=0)
        return (_to_unit_range(resized) if self.scaled else resized)[:, 0]


def _to_unit_range(maps_n1hw: Tensor) -> Tensor:
    """Each image's map from 0 to 1; one that is flat becomes zero.

    Source: ``scale_cam_image`` of jacobgil/pytorch-grad-cam, without the 1e-7
    that it adds to the largest value.
    """
    above = maps_n1hw - maps_n1hw.amin(dim=(2, 3), keepdim=True)
    largest = above.amax(dim=(2, 3), keepdim=True)
    return above / largest.where(largest > 0, 1)


def _part_of_layer(part: Part, layer: str) -> Part:
    return replace(part.detached(), layer=layer)


class _OutputRecorder(Target):
    """Records each layer's output and its edge in the autograd graph.

    The edge is recorded as the layer returns: an in-place operation that
    follows does not change it.
    """

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}
        self.edges: dict[str, GradientEdge] = {}
        self.read: dict[str, Callable[[Any], Tensor]] = {}

    def watch(self, key: str, leaf: Any, read: Callable[[Any], Any]) -> bool:
        """Record every output; none is scored."""
        tensor = leaf if isinstance(leaf, Tensor) else leaf[0]
        if not tensor.requires_grad:
            raise LayerError(
                f'{key}: its output carries no gradient, which Grad-CAM '
                'needs; choose another layer'
            )
        self.edges[key] = get_gradient_edge(tensor)
        self.values[key] = read(leaf).detach().clone()
        form = leaf[1:] if not isinstance(leaf, Tensor) else None
        self.read[key] = lambda gradient: read(
            gradient if form is None else (gradient, *form)
        )
        return True
