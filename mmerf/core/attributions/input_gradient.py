"""Positive input gradient of a layer's score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..gradient import Gradients

if TYPE_CHECKING:
    from ..capture import Capture
    from ..targets import Target


class LayerMaps(NamedTuple):
    """What an attribution gives for one layer and batch.

    Attributes:
        maps (Tensor): Contribution of every input pixel, (N, H, W), >= 0.
        scores (Tensor): The target's scores, (N,).
        touched (Tensor, optional): Whether a pixel moves the score at all,
            (N, H, W) bool.
    """

    maps: Tensor
    scores: Tensor
    touched: Tensor | None = None


class InputGradient:
    """P = relu(d score / d input), summed over the input's channels.

    One forward serves all layers, one backward each. In eval mode images do
    not interact, so a batch gives each image's own map.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.
    """

    definition = 'sum over input channels of relu(d score / d input)'
    windowed = True  # a crop that holds the field gives the same maps

    def __init__(self) -> None:
        self._gradients = Gradients()

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
            gradient = self._gradients.of(key, score, leaf, bool(scores))
            touched = (gradient != 0).any(dim=1)
            maps = torch.relu(gradient).sum(dim=1)
            result[key] = LayerMaps(maps, score.detach(), touched)
        return result
