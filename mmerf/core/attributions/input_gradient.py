"""Positive input gradient of a layer's score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..errors import LayerError
from ..precision import gradient_scale

if TYPE_CHECKING:
    from ..capture import Capture
    from ..targets import Target


class LayerMaps(NamedTuple):
    """What an attribution gives for one layer and batch.

    Attributes:
        maps (Tensor): Contribution of every input pixel, (N, H, W), >= 0.
        scores (Tensor): The target's scores, (N,).
    """

    maps: Tensor
    scores: Tensor


class InputGradient:
    """P = relu(d score / d input), summed over the input's channels.

    One forward serves all layers, one backward each. In eval mode images do
    not interact, so a batch gives each image's own map.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.
    """

    definition = 'sum over input channels of relu(d score / d input)'

    def __call__(
        self,
        forward: Callable[[Tensor], Any],
        inputs: Tensor,
        target: Target,
        layers: Capture,
        metas: Any = None,
    ) -> dict[str, LayerMaps]:
        """Per-image maps of every layer.

        Args:
            forward (callable): Runs the model on (N, C, H, W).
            inputs (Tensor): Shape (N, C, H, W).
            target (Target): What is scored.
            layers (Capture): The layers asked for.
            metas (sequence of mappings, optional): One per image.

        Returns:
            dict[str, LayerMaps]: Layer key to maps (N, H, W), scores (N,).

        Raises:
            LayerError: If a layer's output does not depend on the input.
        """
        leaf = inputs.detach().clone().requires_grad_()
        # A clone goes in, since a leaf cannot be changed in place and some
        # models normalise their input so.
        scores = layers.scores(forward, leaf.clone(), target, metas)
        result: dict[str, LayerMaps] = {}
        while scores:
            key, score = next(iter(scores.items()))
            del scores[key]
            gradient = _gradient(key, score, leaf, retain=bool(scores))
            maps = torch.relu(gradient).sum(dim=1)
            result[key] = LayerMaps(maps, score.detach())
        return result


def _gradient(key: str, score: Tensor, leaf: Tensor, retain: bool) -> Tensor:
    gradient = None
    if score.requires_grad:
        gradient = _scaled(key, score, leaf, retain)
    if gradient is None:
        raise LayerError(
            f'{key}: its output does not depend on the image through '
            'differentiable operations (a constant, a no_grad block or an '
            'argmax lies between); choose another layer'
        )
    return gradient


def _scaled(
    key: str, score: Tensor, leaf: Tensor, retain: bool
) -> Tensor | None:
    """The gradient; in float16 of a scaled score, as far as it is finite."""
    scale = gradient_scale(leaf.device.type)
    while True:
        try:
            (gradient,) = torch.autograd.grad(
                score.sum() * scale,
                leaf,
                retain_graph=retain or scale > 1,
                allow_unused=True,
            )
        except RuntimeError as error:  # out of memory is one of these
            raise type(error)(f'{key}: {error}') from None
        if scale == 1 or gradient is None:
            return gradient
        if gradient.isfinite().all():
            return gradient / scale
        scale = max(scale / 16, 1.0)
