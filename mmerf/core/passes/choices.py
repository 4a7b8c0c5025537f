"""Which of equal values a maximum takes: what the plain way takes.

Where an image is flat, all values that a maximum chooses from are equal up to
rounding, and a crop, another memory layout or a folded batch norm rounds
otherwise. So a forward of the whole image without any shortcut, and without
gradient, is watched up to its last max pooling, and each pooling of the pass
that is measured takes the same entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..aten import AtenMode
from ..batch import Forward
from ..running.forward_pass import StopForward
from ..windows.planner import WindowPlan

BELOW_LARGEST = 1e-4  # how far an entry may be below it, of their spread


class _Pooling(NamedTuple):
    indices: Tensor  # (N, C, h, w), of the plane below
    plane: tuple[int, int]


class Choices(AtenMode):
    """The entries that max poolings took in forwards inside this mode.

    Args:
        most (int, optional): Poolings of a forward, which ends after them.

    Attributes:
        failed (bool): Whether a pass could not take the same entries.
    """

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most, self.failed = most, False
        self.poolings: list[_Pooling] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Run an operation; note what a pooling takes."""
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix('aten::')
        if name == 'max_pool2d_with_indices' and args[0].dim() == 4:
            height, width = args[0].shape[2:]
            self.poolings.append(_Pooling(out[1], (height, width)))
            if len(self.poolings) == self.most:
                raise StopForward
        return out

    def watch(self, forward: Forward, images: Tensor) -> int:
        """Run the plain way, up to the last pooling if that is known.

        Returns:
            int: How many poolings there were.
        """
        with torch.no_grad(), self, suppress(StopForward):
            forward(images, range(len(images)))
        return len(self.poolings)

    def imposed_on(
        self,
        forward: Forward,
        corner: tuple[int, int],
        size: Sequence[int],
        units: Sequence[tuple[float, float]] = (),
    ) -> Forward:
        """A forward of a crop, or of the image, that takes the same entries.

        Args:
            forward (callable): Runs the model.
            corner (tuple[int, int]): The crop's first row and column.
            size (sequence of int): (H, W) of the whole image.
            units (sequence): Pixels (y, x) of the crop's units: at them,
                entries have to be the same. Without, everywhere.
        """

        def run(images: Tensor, positions: Sequence[int]) -> Any:
            whole = (int(size[0]), int(size[1]))
            mode = _Imposed(self, corner, whole, units, list(positions))
            with mode:
                return forward(images, positions)

        return run


def choices_of(
    forward: Forward, images: Tensor, plan: WindowPlan, poolings: int | None
) -> tuple[Choices, int]:
    """What the poolings of a forward take, and how many there are.

    Args:
        forward (callable): Runs the model in the plain way.
        images (Tensor): Whole images.
        plan (WindowPlan): Of the pass that is measured.
        poolings (int, optional): Of a forward, where that is known.
    """
    if poolings is None and plan.window is not None:
        crop = plan.window.crop(images[:1])
        with suppress(Exception):  # layers that follow need a larger one
            poolings = Choices().watch(forward, crop)
    choices = Choices(poolings)
    return choices, choices.watch(forward, images)


class _Imposed(AtenMode):
    def __init__(
        self,
        choices: Choices,
        corner: tuple[int, int],
        size: tuple[int, int],
        units: Sequence[tuple[float, float]],
        positions: list[int],
    ) -> None:
        super().__init__()
        self.choices, self.corner, self.size = choices, corner, size
        self.units, self.positions, self.number = units, positions, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._schema.name == 'aten::max_pool2d_with_indices':
            with _disable_current_modes(), torch.no_grad():
                done = self._impose(args, out)
            self.choices.failed |= not done
        return out

    def _impose(self, args: tuple, out: tuple[Tensor, Tensor]) -> bool:
        """Write the plain way's entries into a pooling's outputs.

        Returns:
            bool: False if they are not those of this crop.
        """
        self.number += 1
        if self.number > len(self.choices.poolings):
            return False
        inputs, (values, indices) = args[0], out
        if inputs.dim() != 4 or inputs.dtype not in (
            torch.float32, torch.float64,
        ):  # fmt: skip
            return False
        pooling = self.choices.poolings[self.number - 1]
        steps = list(args[2]) if len(args) > 2 and args[2] else list(args[1])
        steps = steps * 2 if len(steps) == 1 else steps
        first: list[int] = []
        skipped: list[int] = []
        jumps: list[float] = []
        for axis in (0, 1):
            stride = _whole_ratio(self.size[axis], pooling.plane[axis])
            jump = stride * steps[axis]  # px from one entry to the next
            start = self.corner[axis] / jump
            if start.denominator != 1:
                return False
            first.append(int(start) * steps[axis])
            skipped.append(int(start))
            jumps.append(float(jump))
        taken = pooling.indices[self.positions]
        for dim, start in zip((2, 3), skipped, strict=True):
            taken = taken[(slice(None),) * dim + (
                slice(start, start + values.shape[dim]),
            )]  # fmt: skip
        if taken.shape != values.shape:
            return False
        height, width = inputs.shape[2:]
        rows = taken // pooling.plane[1] - first[0]
        columns = taken % pooling.plane[1] - first[1]
        valid = (rows >= 0) & (rows < height)
        valid &= (columns >= 0) & (columns < width)
        local = torch.where(valid, rows * width + columns, 0)
        entries = inputs.flatten(2).gather(2, local.flatten(2))
        entries = entries.view_as(values)
        allowed = BELOW_LARGEST * inputs.std()
        same = valid & (values - entries <= allowed)
        near = (
            [same]
            if not self.units
            else [
                same[:, :, _entry_at(y, self.corner[0], jumps[0]), :][
                    :, :, :, _entry_at(x, self.corner[1], jumps[1])
                ]
                for y, x in self.units
            ]
        )
        if not all(part.numel() and bool(part.all()) for part in near):
            return False  # another place, or other images
        values.copy_(torch.where(same, entries, values))
        indices.copy_(torch.where(same, local, indices))
        return True


def _whole_ratio(size: int, plane: int) -> Fraction:
    """Pixels per row of a plane: 4, or 1/2 where the plane is finer."""
    if size >= plane:
        return Fraction(round(size / plane))
    return Fraction(1, round(plane / size))


def _entry_at(pixel: float, corner: int, jump: float) -> slice:
    """The entry at a pixel."""
    entry = max(round((pixel - corner) / jump), 0)
    return slice(entry, entry + 1)


def choosing(
    choices: Choices | None, forward: Forward, images: Tensor
) -> Forward:
    """A forward of whole images that takes the same entries, if any."""
    if choices is None:
        return forward
    return choices.imposed_on(forward, (0, 0), images.shape[-2:])


def choosing_in_window(
    choices: Choices | None, forward: Forward, images: Tensor, plan: WindowPlan
) -> Forward:
    """A forward of a plan's window that takes the same entries, if any."""
    if choices is None or plan.window is None:
        return forward
    units = [place.grid.pixel(place.unit) for place in plan.places.values()]
    size = images.shape[-2:]
    return choices.imposed_on(forward, plan.window.corner, size, units)
