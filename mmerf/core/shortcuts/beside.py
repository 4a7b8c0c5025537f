"""An image alone, and what is compared of it beside others."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..attributions.base import LayerMaps
from ..running.probes import Recorder, varies_over_places
from ..targets.base import Part, Target, TargetContext
from .apart import Operations
from .layout import MOST_COMPARED

NEAR = 0.02  # of a map's sum: how far maps of an image may be apart


class NotTogether(Exception):
    """Images are to be run one by one; nothing of the pass counts.

    Attributes:
        again (bool): Whether the pass is to be run once more instead.
    """

    again = False


class AloneCall(NamedTuple):
    """What an attribution was handed alone, what it read, ran and gave."""

    image: Tensor
    outputs: Recorder
    operations: Operations
    maps: list[Tensor]

    @property
    def tells(self) -> bool:
        """Whether image and outputs vary, so that others would show."""
        return varies_over_places(self.image) and self.outputs.tells


class WatchingLast(Target):
    """A target; the last image's outputs are recorded."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.recorder = Recorder(most=MOST_COMPARED)

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """The target's own."""
        with _disable_current_modes():  # it is no operation of the model
            self.recorder(output[-1:].detach(), context)
        return self.target.parts(output, context)


def check_near(found: Tensor, alone: Tensor | None) -> None:
    """Raise NotTogether unless a map is that of the image alone.

    As far as rounding lets it: an activation that is nearly zero may be on
    either side, and a few pixels of a map with it.
    """
    if alone is not None:
        apart = (found.double() - alone.double()).abs().sum()
        if bool(apart <= NEAR * alone.double().sum()):  # NaN is not
            return
    raise NotTogether('an image has another map beside others')


def with_last(images: Tensor, last: Tensor) -> Tensor:
    """Images and one more, in the memory layout that they have."""
    every = torch.cat([images, last])
    faster = torch.channels_last
    plain = images.is_contiguous() or images.dim() != 4
    if plain or not images.is_contiguous(memory_format=faster):
        return every.contiguous()
    return every.contiguous(memory_format=faster)


def without_last(found: LayerMaps) -> LayerMaps:
    """Maps of all images but the last."""
    part, touched = found.part, found.touched
    last = len(part.scores) - 1
    return LayerMaps(
        replace(
            part,
            scores=part.scores[:-1],
            pixels={i: x for i, x in part.pixels.items() if i != last},
            absent=part.absent - {last},
        ),
        None if found.maps is None else found.maps[:-1],
        None if touched is None else touched[:-1],
    )
