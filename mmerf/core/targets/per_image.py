"""A target of its own for every image of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import TargetError
from .base import Part, Target, TargetContext


class PerImage(Target):
    """One target an image, in the order of the batch.

    Results are told apart by the parts' labels: units go into one result,
    aligned each at its own pixel, and every class into its own.

    Args:
        targets (sequence of Target): As many as the batch has images.

    Raises:
        TargetError: If they are not; quotes both numbers.
    """

    aligned_at = "each image's own target"
    at_unit = False

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = list(targets)
        self.needs = frozenset().union(*(t.needs for t in self.targets))

    @property
    def definition(self) -> str:
        """What is scored, in words."""
        every = list(dict.fromkeys(t.definition for t in self.targets))
        return every[0] if len(every) == 1 else f'by image: {"; ".join(every)}'

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Raise ConfigError now for names that the dataset has not."""
        for target in self.targets:
            target.check_classes(names)

    def result_labels(self, names: Sequence[str] | None) -> list[str] | None:
        """Those of all targets; None where one does not know its own."""
        found: dict[str, None] = {}
        for target in self.targets:
            labels = target.result_labels(names)
            if labels is None:
                return None
            found.update(dict.fromkeys(labels))
        return list(found)

    def check_length(self, count: int) -> None:
        """Raise TargetError unless there is one target an image."""
        if len(self.targets) != count:
            raise TargetError(
                f'there are {len(self.targets)} targets for {count} image(s); '
                'give one target, or one for each image of the batch'
            )

    def select(self, positions: Sequence[int]) -> PerImage:
        """The targets of some of the images, repeats included."""
        return PerImage([self.targets[position] for position in positions])

    def parts(self, output: Tensor, context: TargetContext) -> list[Part]:
        """What the images ask, joined where labels agree."""
        self.check_length(len(output))
        joined: dict[tuple[str, int], dict[int, Part]] = {}
        for position, target in enumerate(self.targets):
            row = slice(position, position + 1)
            counts: dict[str, int] = {}
            for part in target.parts(output[row], _one(context, row)):
                number = counts.get(part.label, 0)
                counts[part.label] = number + 1
                joined.setdefault((part.label, number), {})[position] = part
        return [
            _join(by_image, output, label, context.layer)
            for (label, _), by_image in joined.items()
        ]


def _one(context: TargetContext, row: slice) -> TargetContext:
    """What is known about one image."""
    metas, labels = context.metas, context.labels
    predictions = context.predictions
    return replace(
        context,
        metas=None if metas is None else metas[row],
        predictions=None if predictions is None else predictions[row],
        labels=None if labels is None else labels[row],
    )


def _join(
    by_image: dict[int, Part], output: Tensor, label: str, layer: str
) -> Part:
    nothing = output.new_zeros(())
    scores = [
        by_image[i].scores[0] if i in by_image else nothing
        for i in range(len(output))
    ]
    pixels = {i: p.pixels[0] for i, p in by_image.items() if p.pixels}
    absent = frozenset(i for i, p in by_image.items() if p.absent)
    return Part(layer, torch.stack(scores), pixels, absent, label)
