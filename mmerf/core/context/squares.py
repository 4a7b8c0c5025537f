"""Squares about a unit's pixel, and patches that cover an image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..attributions.perturbation import patches
from ..errors import ConfigError

_SMALLEST_SHARE = 1 / 32  # of the image's longer side
_SMALLEST = 3  # px


def square_mask(
    size: tuple[int, int], centre_yx: tuple[int, int], side: int
) -> Tensor:
    """A square about a pixel, clipped to the image.

    Args:
        size (tuple[int, int]): (H, W) of the image.
        centre_yx (tuple[int, int]): The square's middle pixel.
        side (int): In pixels, odd.

    Returns:
        Tensor: Shape (H, W), bool; True inside.

    Example:
        >>> square_mask((3, 4), (0, 0), 3).int()
        tensor([[1, 1, 0, 0],
                [1, 1, 0, 0],
                [0, 0, 0, 0]], dtype=torch.int32)
    """
    reach = side // 2
    mask = torch.zeros(size, dtype=torch.bool)
    (y, x), (height, width) = centre_yx, size
    rows = slice(max(y - reach, 0), min(y + reach + 1, height))
    columns = slice(max(x - reach, 0), min(x + reach + 1, width))
    mask[rows, columns] = True
    return mask


def default_sides(size: tuple[int, int]) -> tuple[int, ...]:
    """Odd sides, each about 0.7 of the next, up to the image's longer side.

    Args:
        size (tuple[int, int]): (H, W) of the image.

    Returns:
        tuple[int, ...]: Rising; the largest is the longer side, or one pixel
        more where that is even. None is below 1/32 of it, or 3 px.

    Example:
        >>> default_sides((128, 96))
        (5, 9, 11, 17, 23, 33, 45, 65, 91, 129)
    """
    largest = max(size) | 1
    sides, side = set(), float(largest)
    while side >= max(_SMALLEST, largest * _SMALLEST_SHARE):
        sides.add(2 * math.floor(side / 2) + 1)
        side /= math.sqrt(2)
    return tuple(sorted(sides | {largest}))


def check_sides(sides: Iterable[Any] | None) -> tuple[int, ...] | None:
    """Stated sides, sorted, each once; None stays None.

    Raises:
        ConfigError: If one is not an odd whole number >= 1, or there is
            none.

    Example:
        >>> check_sides([65, 33])
        (33, 65)
    """
    if sides is None:
        return None
    values = list(sides)
    for side in values:
        if not isinstance(side, int) or side < 1 or side % 2 == 0:
            near = ''
            if isinstance(side, int) and side > 1:
                near = f'; for example {side - 1} or {side + 1}'
            raise ConfigError(
                'sides are odd whole numbers of pixels, as a square about a '
                f'pixel has them, not {side!r}{near}'
            )
    if not values:
        raise ConfigError('give at least one side, such as 33 65 129')
    return tuple(sorted(set(values)))


def patch_labels(size: tuple[int, int], side: int) -> np.ndarray:
    """The number of the patch that each pixel lies in, (H, W).

    Example:
        >>> patch_labels((2, 3), 2).tolist()
        [[0, 0, 1], [0, 0, 1]]
    """
    label = np.zeros(size, dtype=np.int64)
    for number, place in enumerate(patches(size, side, side)):
        label[place] = number
    return label


def descending(
    map_hw: np.ndarray, label: np.ndarray, ties: np.ndarray
) -> np.ndarray:
    """Patches by a map's mean in them, the largest first.

    Args:
        map_hw (np.ndarray): Shape (H, W).
        label (np.ndarray): Each pixel's patch, (H, W).
        ties (np.ndarray): An order of the patches; equal ones keep it.

    Returns:
        np.ndarray: Numbers of the patches.

    Example:
        >>> label = np.array([[0, 1, 2]])
        >>> descending(np.array([[0.0, 3.0, 0.0]]), label, np.array([2, 1, 0]))
        array([1, 2, 0])
    """
    mass = np.bincount(label.ravel(), weights=map_hw.ravel())
    mean = mass / np.bincount(label.ravel())
    return ties[np.argsort(-mean[ties], kind='stable')]


def shares_of_patches(steps: int, scale: str) -> tuple[float, ...]:
    """Shares of patches that are replaced, rising to 1.

    Args:
        steps (int): From one share to the next.
        scale (str): ``'log'``: twice the share at each step; ``'linear'``:
            so much more, from 0.

    Raises:
        ConfigError: If there is no such scale.

    Example:
        >>> shares_of_patches(3, 'log'), shares_of_patches(2, 'linear')
        ((0.125, 0.25, 0.5, 1.0), (0.0, 0.5, 1.0))
    """
    if scale not in ('log', 'linear'):
        raise ConfigError(f"scale is 'log' or 'linear', not {scale!r}")
    if scale == 'log':
        return tuple(0.5 ** (steps - i) for i in range(steps + 1))
    return tuple(i / steps for i in range(steps + 1))
