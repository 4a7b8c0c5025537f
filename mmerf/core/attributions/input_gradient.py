"""Input gradient of a layer's score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..errors import ConfigError
from ..gradient import Gradients

if TYPE_CHECKING:
    from ..capture import Capture
    from ..targets import Target

PARTS = {'positive': 'relu({})', 'absolute': '|{}|'}
CHANNELS = {'sum': 'sum', 'l2': 'root of the summed squares'}


class LayerMaps(NamedTuple):
    """What an attribution gives for one score of a layer and a batch.

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
    """Gradient of the score, one number an input pixel.

    One forward serves all layers, one backward each. In eval mode images do
    not interact, so a batch gives each image's own map. The default is
    P = relu(d score / d input), summed over the input's channels.

    Args:
        part (str): ``'positive'`` or ``'absolute'``: of every element.
        channels (str): ``'sum'`` or ``'l2'``, the root of the summed
            squares, over the input's channels (and frames).
        relu (bool, optional): Whether the target takes the positive part of
            the output; None leaves that to the target.

    Raises:
        ConfigError: If there is no such part or way over channels.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.
    """

    windowed = True  # a crop that holds the field gives the same maps

    def __init__(
        self,
        part: str = 'positive',
        channels: str = 'sum',
        relu: bool | None = None,
    ) -> None:
        check_gradient(part, channels)
        self.part, self.channels, self.relu = part, channels, relu
        self.gradients = Gradients()

    @property
    def definition(self) -> str:
        """How the map is made, in words."""
        element = PARTS[self.part].format('d score / d input')
        return f'{CHANNELS[self.channels]} over input channels of {element}'

    def __call__(
        self,
        forward: Callable[..., Any],
        inputs: Tensor,
        target: Target,
        layers: Capture,
        metas: Any = None,
    ) -> Iterator[tuple[str, LayerMaps]]:
        """Per-image maps of every score, one after the other.

        Args:
            forward (callable): Runs the model on (N, C, H, W).
            inputs (Tensor): Shape (N, C, H, W).
            target (Target): What is scored.
            layers (Capture): The layers asked for.
            metas (sequence of mappings, optional): One per image.

        Yields:
            tuple[str, LayerMaps]: A score's key; maps (N, H, W), scores (N,).

        Raises:
            LayerError: If a layer's output does not depend on the input.
        """
        found = input_gradients(
            forward, inputs, target, layers, metas, self.gradients
        )
        for key, gradient, scores in found:
            maps = reduced(gradient, self.part, self.channels)
            touched = (gradient.flatten(1, -3) != 0).any(dim=1)
            yield key, LayerMaps(maps, scores, touched)


def check_gradient(part: str, channels: str) -> None:
    """Raise ConfigError unless a gradient can be reduced so."""
    for name, value, known in (
        ('part', part, PARTS),
        ('channels', channels, CHANNELS),
    ):
        if value not in known:
            choices = ' or '.join(map(repr, known))
            raise ConfigError(f'{name} is {choices}, not {value!r}')


def reduced(gradient: Tensor, part: str, channels: str) -> Tensor:
    """A gradient (N, ..., C, H, W) as maps (N, H, W).

    Example:
        >>> reduced(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1), 'positive',
        ...         'sum').item()
        3.0
    """
    gradient = gradient.flatten(1, -3)
    values = gradient.relu() if part == 'positive' else gradient.abs()
    if channels == 'l2':
        return torch.linalg.vector_norm(values, dim=1)
    return values.sum(dim=1)


def input_gradients(
    forward: Callable[..., Any],
    inputs: Tensor,
    target: Target,
    layers: Capture,
    metas: Any,
    gradients: Gradients,
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """One forward, then a backward for each score.

    Yields:
        tuple[str, Tensor, Tensor]: A score's key, its gradient with respect
        to the input (N, ..., C, H, W), and the scores (N,).

    Raises:
        LayerError: If a layer's output does not depend on the input.
    """
    leaf = inputs.detach().clone().requires_grad_()
    # A clone goes in, since a leaf cannot be changed in place and some
    # models normalise their input so.
    scores = layers.scores(forward, leaf.clone(), target, metas)
    while scores:
        key, score = next(iter(scores.items()))
        del scores[key]
        gradient = gradients.of(key, score, leaf, retain=bool(scores))
        yield key, gradient, score.detach()
