"""Which entries a max pooling takes, in an image and in a crop of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BELOW_LARGEST = 1e-4  # how far an entry may be below it, of their spread


class Pooling(NamedTuple):
    """What a max pooling took.

    Attributes:
        indices (Tensor): Shape (N, C, h, w), into the plane below.
        plane (tuple[int, int]): Rows and columns of that plane.
        geometry (tuple): Kernel, stride and so on, as torch takes them.
        inputs (Tensor, optional): What was pooled, where it is kept.
    """

    indices: Tensor
    plane: tuple[int, int]
    geometry: tuple
    inputs: Tensor | None


def entries_in_crop(
    pooling: Pooling,
    corner: tuple[int, int],
    size: tuple[int, int],
    plane: tuple[int, int],
    like: Tensor,
) -> tuple[Tensor, Tensor, list[float]] | None:
    """A pooling's entries in a crop of the image.

    Args:
        pooling (Pooling): Of the whole image.
        corner (tuple[int, int]): The crop's first row and column.
        size (tuple[int, int]): (H, W) of the whole image.
        plane (tuple[int, int]): Rows and columns that are pooled in the crop.
        like (Tensor): As many entries, (..., h, w), as the crop has.

    Returns:
        tuple, optional: Indices into the crop's plane, whether they lie
        there, (N, C, h, w) each, and the pixels between entries, down and
        across; None where the crop's entries are no part of the image's.
    """
    _, stride, *_ = (*pooling.geometry, None)
    steps = list(stride or pooling.geometry[0])
    steps = steps * 2 if len(steps) == 1 else steps
    first: list[int] = []
    jumps: list[float] = []
    taken = pooling.indices
    for axis, dim in ((0, 2), (1, 3)):
        ratio = _whole_ratio(size[axis], pooling.plane[axis])
        jump = ratio * steps[axis]  # px from one entry to the next
        start = corner[axis] / jump
        if start.denominator != 1:
            return None
        first.append(int(start) * steps[axis])
        jumps.append(float(jump))
        if int(start) + like.shape[dim] > taken.shape[dim]:
            return None
        taken = taken.narrow(dim, int(start), like.shape[dim])
    rows = taken // pooling.plane[1] - first[0]
    columns = taken % pooling.plane[1] - first[1]
    valid = (rows >= 0) & (rows < plane[0])
    valid &= (columns >= 0) & (columns < plane[1])
    return torch.where(valid, rows * plane[1] + columns, 0), valid, jumps


def same_entries(
    whole: Sequence[Pooling],
    crop: Sequence[Pooling],
    corner: tuple[int, int],
    size: Sequence[int],
) -> bool:
    """Whether poolings take the same entries in a crop as in the image.

    Those that the crop's border reaches do not count, nor do entries of the
    image that lie outside: no unit of a confirmed window depends on them.

    Args:
        whole, crop (sequence of Pooling): Of one image, with their inputs.
        corner (tuple[int, int]): The crop's first row and column.
        size (sequence of int): (H, W) of the whole image.
    """
    if len(whole) != len(crop):
        return False
    sides = (int(size[0]), int(size[1]))
    for one, other in zip(whole, crop, strict=True):
        assert one.inputs is not None and other.inputs is not None
        found = entries_in_crop(one, corner, sides, other.plane, other.indices)
        if found is None or one.geometry != other.geometry:
            return False
        local, valid, _ = found
        reached = _differing(one.inputs, other.inputs, corner, sides)
        if reached is None:
            return False
        pooled = functional.max_pool2d(reached.float(), *one.geometry)
        if pooled.shape != local.shape:  # rounded up, at the border
            return False
        if bool(((local != other.indices) & valid & (pooled == 0)).any()):
            return False
    return True


def _differing(
    whole: Tensor, crop: Tensor, corner: tuple[int, int], size: tuple[int, int]
) -> Tensor | None:
    """Where a plane is another one in the crop; None if it lies elsewhere."""
    for axis, dim in ((0, 2), (1, 3)):
        start = corner[axis] / _whole_ratio(size[axis], whole.shape[dim])
        if start.denominator != 1:
            return None
        if int(start) + crop.shape[dim] > whole.shape[dim]:
            return None
        whole = whole.narrow(dim, int(start), crop.shape[dim])
    return (whole - crop).abs() > BELOW_LARGEST * crop.std()


def _whole_ratio(size: int, plane: int) -> Fraction:
    """Pixels per row of a plane: 4, or 1/2 where the plane is finer."""
    if size >= plane:
        return Fraction(round(size / plane))
    return Fraction(1, round(plane / size))
