"""Base of attributions by changed inputs: many copies in few passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import ConfigError
from ..running.layer_scores import LayerScores
from ..targets.base import Target
from .base import Attribution, LayerMaps

Patch = tuple[slice, slice]


def patches(size: Sequence[int], side: int, stride: int) -> list[Patch]:
    """Square patches that cover an image (H, W), clipped at its far borders.

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


class Perturbation(Attribution):
    """Forward passes on changed copies of each image, patch by patch.

    A subclass defines ``copies``, the changed copies for a patch, and
    ``value``, the patch's value from their scores.

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
        """A patch's value, from its copies' scores and the clean image's."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> list[LayerMaps]:
        """Per-image maps of every score."""
        clean = layers.read(forward, inputs.clone(), target)
        size = tuple(inputs.shape[-2:])
        places = patches(size, self.patch_size, self.stride)
        maps = {
            key: torch.zeros(len(inputs), *size).double()
            for key, part in clean.items()
            if part.pixels
        }
        for position, image in enumerate(inputs):
            every = (c for place in places for c in self.copies(image, place))
            found: dict[str, list[Tensor]] = {key: [] for key in maps}
            while chunk := list(islice(every, self.batch_size)):
                parts = layers.read(
                    forward,
                    torch.stack(chunk),
                    target,
                    [position] * len(chunk),
                )
                for key in found.keys() & parts.keys():
                    if parts[key].pixels:
                        found[key].append(parts[key].scores.double().cpu())
            for key, scores in found.items():
                if not scores:
                    continue
                base = float(clean[key].scores[position])
                rows = torch.cat(scores).view(len(places), -1)
                values = [self.value(row, base) for row in rows]
                maps[key][position] = spread_evenly(values, places, size)
        return [
            LayerMaps(part.detached(), maps.get(key))
            for key, part in clean.items()
        ]


def spread_evenly(
    values: Sequence[float], places: Sequence[Patch], size: Any
) -> Tensor:
    """A map in which every patch's value is spread evenly over its pixels.

    Where patches overlap, a pixel gets the mean of its patches.

    Args:
        values (sequence of float): One per patch.
        places (sequence of Patch): Rows and columns of each.
        size (tuple[int, int]): (H, W) of the map.

    Returns:
        Tensor: Shape (H, W), float64. Its sum over a patch without overlap is
        the patch's value.
    """
    total = torch.zeros(tuple(size), dtype=torch.float64)
    count = torch.zeros_like(total)
    for value, (rows, columns) in zip(values, places, strict=True):
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        total[rows, columns] += float(value) / area
        count[rows, columns] += 1
    return total / count.clamp(min=1)


def check_number(value: Any, name: str, least: int = 1) -> int:
    """The value; raise ConfigError unless it is a whole number >= least."""
    if not isinstance(value, int) or value < least:
        raise ConfigError(
            f'{name} is a whole number >= {least}, not {value!r}'
        )
    return value


def check_positive(value: Any, name: str, zero: bool = False) -> float:
    """Return a value as float, if it is a finite number > 0.

    Args:
        value: Any object.
        name (str): Its name in the error.
        zero (bool): Whether 0 is allowed too.

    Raises:
        ConfigError: If it is no such number.
    """
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
