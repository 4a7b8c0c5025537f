"""The class of every input pixel, by prediction or by label."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..batch import Batch
from ..errors import ConfigError, TargetError
from ..grid.coordinates import Axis, Grid, even_grid

UNLABELLED_INDEX = -1  # of a pixel of no class


def classes_along(logits: Tensor, dim: int, threshold: float = 0.0) -> Tensor:
    """Class indices: the largest channel's.

    Args:
        logits (Tensor): Any shape.
        dim (int): The dimension of the channels, which is gone after.
        threshold (float): One channel is class 1 above it, else class 0.

    Example:
        >>> classes_along(torch.tensor([[0.2, 0.1], [0.0, 0.3]]), 1)
        tensor([0, 1])
    """
    if logits.shape[dim] == 1:
        return (logits.select(dim, 0) > threshold).long()
    return logits.argmax(dim)


def level_of_class_1(
    logits: Tensor, head_level: float | None, what: str
) -> float:
    """Above which value one channel of logits is class 1.

    Args:
        logits (Tensor): With one channel.
        head_level (float, optional): The same of the channel's sigmoid, as a
            binary decode head states it.
        what (str): What has the channel, for the error.

    Raises:
        ConfigError: If no head says so, and the values look like
            probabilities, of which 0 is no level.
    """
    if head_level is not None and 0 < head_level < 1:
        return math.log(head_level / (1 - head_level))
    if float(logits.min()) >= 0 and float(logits.max()) <= 1:
        raise ConfigError(
            f'{what} has one channel, with values from 0 to 1 as '
            'probabilities have them; say above which value it is class 1 '
            '(--threshold 0.5), or choose what makes the logits'
        )
    return 0.0


def at_units(
    indices: Tensor, grid: Grid, input_size: tuple[int, int]
) -> Tensor:
    """Whole numbers over the input, (N, H', W'), read at a grid's units.

    Args:
        indices (Tensor): Over the whole input, at any resolution.
        grid (Grid): The layer's.
        input_size (tuple[int, int]): (H, W) of the input.

    Returns:
        Tensor: The number nearest each unit's pixel, (N, h, w).
    """
    rows, columns = (
        _nearest_indices(line, count, full, length)
        for line, count, full, length in zip(
            (grid.y, grid.x),
            grid.size[::-1] if grid.swapped else grid.size,
            input_size,
            indices.shape[1:],
            strict=True,
        )
    )
    found = indices[:, rows][:, :, columns]
    return found.transpose(1, 2) if grid.swapped else found


def _nearest_indices(line: Axis, count: int, full: int, length: int) -> Tensor:
    pixels = torch.tensor([line.pixel(i, count) for i in range(count)])
    places = torch.floor((pixels + 0.5) * length / full).long()
    return places.clamp(0, length - 1)


def resized_logits(
    logits: Tensor, size: tuple[int, int], model: nn.Module
) -> Tensor:
    """Logits brought to the input's size, as a segmentor's prediction does.

    Args:
        logits (Tensor): Shape (N, C, h, w).
        size (tuple[int, int]): (H, W) of the input.
        model (nn.Module): Its ``align_corners`` is used, where it has one.

    Returns:
        Tensor: Shape (N, C, H, W), bilinear.
    """
    if tuple(logits.shape[2:]) == tuple(size):
        return logits
    aligned = getattr(model, 'align_corners', False)
    return functional.interpolate(
        logits.float(), size, mode='bilinear', align_corners=bool(aligned)
    )


def without_padding(classes: Tensor, batch: Batch) -> Tensor:
    """Predictions of the input's pixels, with no class in the padding.

    Args:
        classes (Tensor): Class indices, (N, H, W).
        batch (Batch): Metas say by ``img_shape`` and ``pad_shape`` how much
            was added below and to the right.

    Returns:
        Tensor: A copy with ``UNLABELLED_INDEX`` in the padding.

    Raises:
        TargetError: If padded images are measured in windows, whose place
            in the padding is not known here.
    """
    classes = classes.clone()
    for image, meta in zip(classes, batch.metas or (), strict=False):
        inner, whole = _size_and_padded(meta)
        if inner == whole:
            continue
        if batch.kind != 'whole image':
            raise TargetError(
                f'contributions by class cannot tell the padding of '
                f'{batch.kind}; measure whole images, with '
                "--cfg-options model.test_cfg.mode=whole, or by_class='label'"
            )
        height, width = (
            round(side * part / full)
            for side, part, full in zip(image.shape, inner, whole, strict=True)
        )
        image[height:] = UNLABELLED_INDEX
        image[:, width:] = UNLABELLED_INDEX
    return classes


def labels_of_pixels(
    classes: Tensor, size: tuple[int, int], count: int
) -> Tensor:
    """Class indices at every input pixel.

    Args:
        classes (Tensor): Over the whole input, (N, H', W').
        size (tuple[int, int]): (H, W) of the input.
        count (int): Number of classes.

    Returns:
        Tensor: The nearest one, (N, H, W); ``UNLABELLED_INDEX`` for anything
        that is no class, such as an ignored label.
    """
    found = at_units(classes, even_grid(size, size), size).long()
    known = (found >= 0) & (found < count)
    return torch.where(known, found, UNLABELLED_INDEX)


def _size_and_padded(meta: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The image's size, and its size with padding; equal where unknown."""
    inner, whole = meta.get('img_shape'), meta.get('pad_shape')
    if inner is None or whole is None:
        return (0, 0), (0, 0)
    whole = tuple(int(side) for side in whole[:2])
    inner = tuple(int(side) for side in inner[:2])
    return tuple(map(min, inner, whole)), whole
