"""What an attribution is: it turns a batch's scores into per-image maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from ..batch import ChannelsOf, Forward, JoinedInputs
from ..running.layer_scores import LayerScores
from ..targets.base import Part, Target
from .one_input import OneInput


class LayerMaps(NamedTuple):
    """An attribution's maps for one score of a layer and a batch.

    Attributes:
        part (Part): The scores of the batch's own images, detached.
        maps (Tensor, optional): Contribution of every input pixel,
            (N, H, W), >= 0; None for a part that is absent from every image.
        touched (Tensor, optional): Whether a pixel moves the score at all,
            (N, H, W) bool; None stands for ``maps != 0``.
    """

    part: Part
    maps: Tensor | None = None
    touched: Tensor | None = None


Attribute = Callable[
    [Forward, Tensor, Target, LayerScores], Iterable[LayerMaps]
]


class Attribution:
    """Base class of all attributions: all that a measurement uses of one.

    A subclass defines ``__call__``; nothing else is required.

    Attributes:
        kind (str): ``'erf'``; ``'attention'`` for maps that are no receptive
            field and have no statistics.
        windowed (bool): Whether a crop that holds the unit's field gives the
            same maps as the whole image.
        relu (bool, optional): Whether targets take the positive part of the
            output; None leaves that to the target.
        default_target: The target if the user names none, as a config writes
            it; None for the centre unit.
        repeats (bool): Whether the model is run on copies of single images,
            and not always on all images of the pass together.
        one_gradient (bool): Whether ``maps_of`` makes the maps of one
            gradient, so that a graph that is kept gives further ones.
    """

    kind: str = 'erf'
    windowed: bool = False
    relu: bool | None = None
    default_target: Any = None
    repeats: bool = True
    one_gradient: bool = False

    def __init_subclass__(cls) -> None:
        """Where a subclass changes how maps are made, do so by input too."""
        own = vars(cls)
        if '__call__' in own and 'by_input' not in own:
            cls.by_input = Attribution.by_input  # type: ignore[method-assign]
        if '__call__' in own and 'one_gradient' not in own:
            cls.one_gradient = False

    @property
    def fallbacks(self) -> Mapping[str, str]:
        """By score's key, shortcuts that were given up, and why."""
        return {}

    @property
    def definition(self) -> str:
        """Description of how the map is made; stored with every result."""
        return type(self).__name__

    def __call__(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> Iterable[LayerMaps]:
        """Per-image maps of every score.

        When called, the model is in eval mode with its parameters frozen,
        and gradients are enabled.

        Args:
            forward (callable): ``forward(images, positions)`` runs the model
                on images made from the batch's images at these positions.
            inputs (Tensor): The batch's images, shape (N, C, H, W); clips
                have further axes after the first. Must not be changed.
            target (Target): What is scored.
            layers (LayerScores): ``layers.read(forward, images, target,
                positions)`` runs the model and gives every layer's parts.

        Returns:
            iterable of LayerMaps: One for each part of the batch's own
            images, not of copies of them; without maps for a part that is
            absent from every image. A generator saves memory: each part's
            maps are collected before the next part's are made.

        Raises:
            LayerError: If a layer has no map by this method.
        """
        raise NotImplementedError

    def maps_of(
        self, part: Part, gradient: Tensor | None, channels: ChannelsOf
    ) -> Iterable[LayerMaps]:
        """Maps of one score; only called where ``one_gradient`` is set.

        Args:
            part (Part): The score, detached.
            gradient (Tensor, optional): With respect to the input,
                (N, ..., C, H, W); None for a part that no image has.
            channels (ChannelsOf): Which channels are whose.
        """
        raise NotImplementedError

    def by_input(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
        channels: ChannelsOf,
    ) -> Iterable[LayerMaps]:
        """Maps of each of several inputs; the others are held meanwhile.

        Args:
            forward, target, layers: As for ``__call__``.
            inputs (Tensor): All of them, joined: (N, ..., C, H, W).
            channels (ChannelsOf): Which channels are whose.

        Returns:
            iterable of LayerMaps: One for each part and input, whose name
            the part has. A picture of attention is one of all inputs.
        """
        if self.kind == 'attention':
            yield from self(forward, inputs, target, layers)
            return
        for name, own in channels.items():
            one = OneInput(layers, inputs, own)
            image = one.own(inputs)
            for found in self(one.completed(forward), image, target, one):
                part = replace(found.part, input=name)
                yield found._replace(part=part)

    def of_inputs(self, joined: JoinedInputs | None) -> Attribute:
        """How maps are made: ``by_input`` where there are several inputs."""
        if joined is None:
            return self
        return partial(self.by_input, channels=joined.channels)
