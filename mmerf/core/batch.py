"""A batch of images, and how the network is run on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

Forward = Callable[[Tensor, Sequence[int]], Any]
"""``forward(images, positions)``: run the network on images that are, or are
made from, the batch's images at these positions; returns the network's
output."""


def _no_labels() -> None:
    return None


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
    """

    inputs: Tensor
    forward: Forward
    names: Sequence[str]
    metas: Sequence[Mapping] | None = None
    labels: Callable[[], Tensor | None] = _no_labels
    kind: str = 'whole image'

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
    run: Callable[[Tensor], Any], inputs: Tensor, first: int = 0
) -> Batch:
    """A batch for a network that takes images and nothing else.

    Args:
        run (callable): The model, or a function that runs it on images.
        inputs (Tensor): Shape (N, C, H, W).
        first (int): Number of the first image; images are named by number.
    """
    names = [f'image {first + i}' for i in range(len(inputs))]
    return Batch(inputs, lambda images, positions: run(images), names)
