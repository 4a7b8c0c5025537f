"""An image alone, and what is compared of it beside others."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..attributions.base import LayerMaps
from ..running.probes import equal_to_rounding, thinned
from ..targets.base import Part, Target, TargetContext
from .apart import Operations

MOST_COMPARED_ROWS = 64  # and columns, of an output
NEAR = 0.02  # of a map's sum: how far maps of an image may be apart
Outputs = dict[str, Tensor]  # by layer key, one row


class NotTogether(Exception):
    """Images are to be run one by one; nothing of the pass counts.

    Attributes:
        again (bool): Whether the pass is to be run once more instead.
    """

    again = False


class AloneCall(NamedTuple):
    """What an attribution was handed alone, what it read, ran and gave."""

    image: Tensor
    outputs: Outputs
    operations: Operations
    maps: list[Tensor]


class WatchingLast(Target):
    """A target; the last image's outputs are kept."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.outputs: Outputs = {}

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """The target's own."""
        with _disable_current_modes():  # it is no operation of the model
            last = thinned(output[-1:].detach(), MOST_COMPARED_ROWS)
            self.outputs[context.layer] = last.clone()
        return self.target.parts(output, context)


def same_outputs(outputs: Outputs, alone: Outputs) -> bool:
    """Whether outputs are those of the image alone, up to rounding."""
    return outputs.keys() == alone.keys() and all(
        equal_to_rounding(value, outputs[key]) for key, value in alone.items()
    )


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


def tells(call: AloneCall) -> bool:
    """Whether image and outputs vary over places, so that others would show.

    An output of one unit cannot; it tells unless it is zero.
    """
    return all(
        bool((value != value[..., :1, :1]).any())
        if value.shape[2:].numel() > 1
        else bool(value.any())
        for value in (call.image, *call.outputs.values())
    )
