"""A target of its own for every image of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import TargetError
from .base import Part, Target, TargetContext


class PerImage(Target):
    """One target per image, in the order of the batch.

    Each label of the parts has a result of its own: all units go into one
    result, each aligned at its own pixel; every class into another.

    Args:
        targets (sequence of Target): As many as the batch has images.

    Raises:
        TargetError: While measuring, if the batch has another number.
    """

    aligned_at = "each image's own target"
    at_unit = False

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = list(targets)
        self.needs = frozenset().union(*(t.needs for t in self.targets))

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        every = list(dict.fromkeys(t.definition for t in self.targets))
        return every[0] if len(every) == 1 else f'by image: {"; ".join(every)}'

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Raise ConfigError for a class that the dataset does not have."""
        for target in self.targets:
            target.check_classes(names)

    def result_labels(self, names: Sequence[str] | None) -> list[str] | None:
        """Labels of all targets; None if those of one are not known."""
        found: dict[str, None] = {}
        for target in self.targets:
            labels = target.result_labels(names)
            if labels is None:
                return None
            found.update(dict.fromkeys(labels))
        return list(found)

    def check_length(self, count: int) -> None:
        """Raise TargetError unless there is one target per image."""
        if len(self.targets) != count:
            raise TargetError(
                f'there are {len(self.targets)} targets for {count} image(s); '
                'give one target, or one for each image of the batch'
            )

    def select(self, positions: Sequence[int]) -> PerImage:
        """The targets of some of the images, repeats included."""
        return PerImage([self.targets[position] for position in positions])

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """Parts of all images, joined where labels agree."""
        self.check_length(len(output))
        joined: dict[tuple[str, int], dict[int, Part]] = {}
        for position, target in enumerate(self.targets):
            row = slice(position, position + 1)
            counts: dict[str, int] = {}
            for part in target.parts(
                output[row], _context_of_one(context, row)
            ):
                number = counts.get(part.label, 0)
                counts[part.label] = number + 1
                joined.setdefault((part.label, number), {})[position] = part
        return [
            _join_parts(by_image, output, label, context.layer)
            for (label, _), by_image in joined.items()
        ]


def _context_of_one(context: TargetContext, row: slice) -> TargetContext:
    """The context of one image."""
    metas, labels = context.metas, context.labels
    predictions = context.predictions
    return replace(
        context,
        metas=None if metas is None else metas[row],
        predictions=None if predictions is None else predictions[row],
        labels=None if labels is None else labels[row],
    )


def _join_parts(
    by_image: dict[int, Part], output: Tensor, label: str, layer: str
) -> Part:
    """One part of the batch from parts of single images, by position."""
    zero = output.new_zeros(())
    scores = [
        by_image[i].scores[0] if i in by_image else zero
        for i in range(len(output))
    ]
    pixels = {i: p.pixels[0] for i, p in by_image.items() if p.pixels}
    absent = frozenset(i for i, p in by_image.items() if p.absent)
    return Part(layer, torch.stack(scores), pixels, absent, label)
