"""What attributions by changed inputs share: many copies in few passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import ConfigError
from .input_gradient import LayerMaps

if TYPE_CHECKING:
    from ..capture import Capture

Patch = tuple[slice, slice]


def patches(size: Sequence[int], side: int, stride: int) -> list[Patch]:
    """Square patches that cover an (H, W), cut at its far borders.

    Example:
        >>> [(y.start, x.start) for y, x in patches((4, 5), 2, 2)]
        [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]
    """
    rows, columns = (
        [
            slice(start, min(start + side, length))
            for start in range(
                0, max(length - max(side - stride, 0), 1), stride
            )
        ]
        for length in size
    )
    return [(y, x) for y in rows for x in columns]


class Perturbation:
    """Forward passes on changed copies of each image, patch by patch.

    A subclass says how copies of a patch are made and what their scores tell.

    Args:
        patch_size (int): Side of a patch, px.
        stride (int): From one patch to the next, px.
        batch_size (int): Copies in one pass.
        relu (bool, optional): As for InputGradient.
    """

    def __init__(
        self, patch_size: int, stride: int, batch_size: int, relu: bool | None
    ) -> None:
        self.patch_size = check_number(patch_size, 'patch_size')
        self.stride = check_number(stride, 'stride')
        self.batch_size = check_number(batch_size, 'batch_size')
        self.relu = relu

    def copies(self, image: Tensor, patch: Patch) -> Iterable[Tensor]:
        """Copies of an image (..., C, H, W) that are changed on a patch."""
        raise NotImplementedError

    def value(self, scores: Tensor, clean: float) -> float:
        """What the scores of a patch's copies tell, beside the clean one."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(
        self,
        forward: Callable[..., Any],
        inputs: Tensor,
        target: Any,
        layers: Capture,
        metas: Any = None,
    ) -> dict[str, LayerMaps]:
        """Per-image maps of every score.

        Args:
            forward (callable): ``forward(inputs, positions)`` runs the model
                on copies of these images of the batch; without positions, on
                the batch.
            inputs (Tensor): Shape (N, C, H, W).
            target (Target): What is scored.
            layers (Capture): The layers asked for.
            metas (sequence of mappings, optional): One per image.

        Returns:
            dict[str, LayerMaps]: A score's key; maps (N, H, W), scores (N,).
        """
        clean = layers.scores(forward, inputs.clone(), target, metas)
        parts = layers.parts
        size = tuple(inputs.shape[-2:])
        places = patches(size, self.patch_size, self.stride)
        maps = {k: torch.zeros(len(inputs), *size).double() for k in clean}
        for position, image in enumerate(inputs):

            def run(
                copies: list[Tensor], position: int = position
            ) -> dict[str, Tensor]:
                positions = [position] * len(copies)
                return layers.scores(
                    lambda images: forward(images, positions),
                    torch.stack(copies),
                    selected(target, positions),
                    None if metas is None else [metas[position]] * len(copies),
                )

            for key, scores in self._scores(image, places, run).items():
                base = float(clean[key][position])
                values = [self.value(one, base) for one in scores]
                maps[key][position] = spread(values, places, size)
        layers.parts = parts  # of the images, not of their copies
        return {k: LayerMaps(maps[k], clean[k]) for k in clean}

    def _scores(
        self, image: Tensor, places: list[Patch], run: Callable
    ) -> dict[str, Tensor]:
        """Scores (patches, copies) of one image by key, float64."""
        every = (c for place in places for c in self.copies(image, place))
        found: dict[str, list[Tensor]] = {}
        while chunk := list(islice(every, self.batch_size)):
            for key, scores in run(chunk).items():
                found.setdefault(key, []).append(scores.double().cpu())
        return {
            key: torch.cat(scores).view(len(places), -1)
            for key, scores in found.items()
        }


def selected(target: Any, positions: Sequence[int]) -> Any:
    """A target for copies of some of the batch's images."""
    return target.select(positions) if hasattr(target, 'select') else target


def spread(
    values: Sequence[float], places: Sequence[Patch], size: Any
) -> Tensor:
    """A map in which every patch's value lies evenly over its pixels.

    Where patches overlap, a pixel gets the mean of theirs.

    Args:
        values (sequence of float): One a patch.
        places (sequence of Patch): Rows and columns of each.
        size (tuple[int, int]): (H, W) of the map.

    Returns:
        Tensor: Shape (H, W), float64; summed over a patch that overlaps with
        none, its value.
    """
    total = torch.zeros(tuple(size), dtype=torch.float64)
    count = torch.zeros_like(total)
    for value, (rows, columns) in zip(values, places, strict=True):
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        total[rows, columns] += float(value) / area
        count[rows, columns] += 1
    return total / count.clamp(min=1)


def check_number(value: Any, name: str, least: int = 1) -> int:
    """Raise ConfigError unless it is a whole number >= least."""
    if not isinstance(value, int) or value < least:
        raise ConfigError(
            f'{name} is a whole number >= {least}, not {value!r}'
        )
    return value


def check_positive(value: Any, name: str, zero: bool = False) -> float:
    """Raise ConfigError unless it is a finite number above 0, or 0."""
    number = isinstance(value, (int, float)) and value == value
    if (
        not number
        or value in (float('inf'), float('-inf'))
        or value < 0
        or (value == 0 and not zero)
    ):
        raise ConfigError(
            f'{name} is a number {">=" if zero else ">"} 0, not {value!r}'
        )
    return float(value)
