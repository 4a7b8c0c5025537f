"""A batch of images, and how the network is run on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

Forward = Callable[[Tensor, Sequence[int]], Any]
"""``forward(images, positions)``: run the network on images that are, or are
made from, the batch's images at these positions; returns the network's
output."""


ChannelsOf = Mapping[str, slice]
"""The channels of each of several inputs that are joined, by its name."""


def _no_labels() -> None:
    return None


@dataclass(frozen=True)
class JoinedInputs:
    """Several inputs of a network, joined along their channels.

    Attributes:
        channels (ChannelsOf): Which channels are whose, by input.
        positional (bool): Whether the network takes them one after the
            other; else by their names.

    Example:
        >>> pair = JoinedInputs({'rgb': slice(0, 3), 'depth': slice(3, 4)})
        >>> pair.split(torch.rand(2, 4, 8, 8))['depth'].shape
        torch.Size([2, 1, 8, 8])
    """

    channels: ChannelsOf
    positional: bool = False

    def split(self, images: Tensor) -> Any:
        """The inputs, each a copy: a tuple of them, or a dict by name."""
        layout, last = torch.contiguous_format, torch.channels_last
        if images.dim() == 4 and not images.is_contiguous():
            layout = (
                last if images.is_contiguous(memory_format=last) else layout
            )
        made = {
            name: images.narrow(-3, own.start, own.stop - own.start).clone(
                memory_format=layout
            )
            for name, own in self.channels.items()
        }
        return tuple(made.values()) if self.positional else made

    def run(self, model: Callable, images: Tensor) -> Any:
        """What a model makes of the inputs."""
        split = self.split(images)
        return model(*split) if self.positional else model(**split)


@dataclass(frozen=True)
class Batch:
    """A batch of images, ready to be measured.

    Attributes:
        inputs (Tensor): The network's input, (N, C, H, W), floating point; or
            clips (N, frames, C, H, W).
        forward (callable): Runs the network on some of the images; see
            ``Forward``.
        names (sequence of str): One name per image, for messages.
        metas (sequence of mappings, optional): Meta information, one per
            image.
        labels (callable): Gives the ground truth over ``inputs``, class
            indices (N, H', W'), or None without one.
        kind (str): Description of the inputs, such as ``'whole image'``.
        joined (JoinedInputs, optional): Which channels of ``inputs`` belong
            to which of several inputs; each gets a map of its own.
        by_place (bool): Whether ``forward`` does not look at ``positions``
            and might hold a second input, which it would then take for
            other images; it is confirmed before the batch is cut.
    """

    inputs: Tensor
    forward: Forward
    names: Sequence[str]
    metas: Sequence[Mapping] | None = None
    labels: Callable[[], Tensor | None] = _no_labels
    kind: str = 'whole image'
    joined: JoinedInputs | None = None
    by_place: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, start: int, stop: int) -> Batch:
        """The images ``start`` to ``stop - 1``, with positions from 0."""
        forward = self.forward

        def labels() -> Tensor | None:
            found = self.labels()
            return None if found is None else found[start:stop]

        def shifted(images: Tensor, positions: Sequence[int]) -> Any:
            return forward(images, [start + i for i in positions])

        return replace(
            self,
            inputs=self.inputs[start:stop],
            forward=shifted,
            names=self.names[start:stop],
            metas=None if self.metas is None else self.metas[start:stop],
            labels=labels,
        )


def batch_of(
    run: Callable[[Tensor], Any],
    inputs: Tensor,
    first: int = 0,
    joined: JoinedInputs | None = None,
    by_place: bool = False,
) -> Batch:
    """A batch for a network that takes images and nothing else.

    Args:
        run (callable): The model, or a function that runs it on images.
        inputs (Tensor): Shape (N, C, H, W).
        first (int): Number of the first image; images are named by number.
        joined (JoinedInputs, optional): Of which inputs they are made.
        by_place (bool): As for ``Batch``.
    """
    count = len(inputs) if isinstance(inputs, Tensor) else 0
    return Batch(
        inputs,
        lambda images, positions: run(images),
        [f'image {first + i}' for i in range(count)],
        joined=joined,
        by_place=by_place,
    )
