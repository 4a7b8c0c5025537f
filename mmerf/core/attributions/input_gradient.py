"""Input gradient of a layer's score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..batch import ChannelsOf, Forward
from ..errors import ConfigError
from ..gradient.backward import Gradients
from ..running.layer_scores import LayerScores
from ..targets.base import Part, Target
from .base import Attribution, LayerMaps

PARTS = {'positive': 'relu({})', 'absolute': '|{}|'}
CHANNELS = {'sum': 'sum', 'l2': 'root of the summed squares'}
ALL_CHANNELS: ChannelsOf = {'': slice(None)}  # of a single input


class InputGradient(Attribution):
    """Gradient of the score, one number per input pixel.

    All layers share one forward; each needs one backward. In eval mode images
    do not interact, so a batch gives each image's own map. The default is
    relu(d score / d input), summed over the input's channels.

    Args:
        part (str): ``'positive'`` or ``'absolute'`` value of every element of
            the gradient.
        channels (str): ``'sum'`` or ``'l2'``, the root of the summed
            squares, over the input's channels (and frames).
        relu (bool, optional): Whether the target takes the positive part of
            the output; None leaves that to the target.

    Raises:
        ConfigError: If ``part`` or ``channels`` is none of these.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B.
    """

    windowed = True  # a crop that holds the field gives the same maps
    repeats = False
    one_gradient = True

    def __init__(
        self,
        part: str = 'positive',
        channels: str = 'sum',
        relu: bool | None = None,
    ) -> None:
        check_gradient_options(part, channels)
        self.part, self.channels, self.relu = part, channels, relu
        self.gradients = Gradients()

    @property
    def fallbacks(self) -> Mapping[str, str]:
        """Scores whose backward pass fell back to ordinary autograd."""
        return self.gradients.fallbacks

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        element = PARTS[self.part].format('d score / d input')
        return f'{CHANNELS[self.channels]} over input channels of {element}'

    def __call__(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> Iterator[LayerMaps]:
        """Per-image maps of every score, one after the other.

        Raises:
            LayerError: If a layer's output does not depend on the input.
        """
        return self._maps(forward, inputs, target, layers, ALL_CHANNELS)

    def by_input(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
        channels: ChannelsOf,
    ) -> Iterator[LayerMaps]:
        """Per-image maps of every score and input, of the same backward."""
        return self._maps(forward, inputs, target, layers, channels)

    def _maps(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
        channels: ChannelsOf,
    ) -> Iterator[LayerMaps]:
        found = input_gradients(
            forward, inputs, target, layers, self.gradients
        )
        for _, part, gradient in found:
            yield from self.maps_of(part, gradient, channels)

    def maps_of(
        self, part: Part, gradient: Tensor | None, channels: ChannelsOf
    ) -> Iterator[LayerMaps]:
        """Maps of one score, from its gradient.

        Args:
            part (Part): The score, detached.
            gradient (Tensor, optional): With respect to the input,
                (N, ..., C, H, W); None for a part that no image has.
            channels (ChannelsOf): Which channels are whose.
        """
        for name, own in channels.items():
            named = replace(part, input=name)
            if gradient is None:
                yield LayerMaps(named)
                continue
            of_input = gradient[..., own, :, :]
            maps = gradient_to_maps(of_input, self.part, self.channels)
            touched = (of_input.flatten(1, -3) != 0).any(dim=1)
            yield LayerMaps(named, maps, touched)


def check_gradient_options(part: str, channels: str) -> None:
    """Raise ConfigError unless ``part`` and ``channels`` are known ones."""
    for name, value, known in (
        ('part', part, PARTS),
        ('channels', channels, CHANNELS),
    ):
        if value not in known:
            choices = ' or '.join(map(repr, known))
            raise ConfigError(f'{name} is {choices}, not {value!r}')


def gradient_to_maps(gradient: Tensor, part: str, channels: str) -> Tensor:
    """Maps (N, H, W) from a gradient (N, ..., C, H, W).

    Args:
        gradient (Tensor): Of the scores with respect to the input.
        part, channels (str): As for InputGradient.

    Example:
        >>> gradient = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
        >>> gradient_to_maps(gradient, 'positive', 'sum').item()
        3.0
    """
    gradient = gradient.flatten(1, -3)
    values = gradient.relu() if part == 'positive' else gradient.abs()
    if channels == 'l2':
        return torch.linalg.vector_norm(values, dim=1)
    return values.sum(dim=1)


def input_gradients(
    forward: Forward,
    inputs: Tensor,
    target: Target,
    layers: LayerScores,
    gradients: Gradients,
) -> Iterator[tuple[str, Part, Tensor | None]]:
    """One forward, then one backward per score.

    Yields:
        tuple[str, Part, Tensor or None]: A part's key, the part, detached,
        and its gradient with respect to the input, (N, ..., C, H, W); None
        for a part that is absent from every image.

    Raises:
        LayerError: If a layer's output does not depend on the input.
    """
    leaf = inputs.detach().clone().requires_grad_()
    # A clone goes in: some models normalise their input in place, which a
    # leaf does not allow.
    pending = layers.read(forward, leaf.clone(), target)
    while pending:
        key, part = next(iter(pending.items()))
        del pending[key]
        gradient = None
        if part.pixels:
            more = any(other.pixels for other in pending.values())
            gradient = gradients.of(key, part.scores, leaf, retain=more)
        yield key, part.detached(), gradient
