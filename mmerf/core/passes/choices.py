"""Which of equal values a maximum takes: what the plain way takes.

Where an image is flat, all values that a maximum chooses from are equal up to
rounding, and a crop, another memory layout or a folded batch norm rounds
otherwise. So a forward of the whole image without any shortcut, and without
gradient, is watched up to its last max pooling, and each pooling of the pass
that is measured takes the same entries. Such a forward of the window alone
serves as well, where it takes the same entries of an image of one colour, in
which all are equal (see ``plain_choices``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..aten import AtenMode
from ..batch import Forward
from ..running.forward_pass import StopForward
from ..windows.planner import WindowPlan
from .pooling_entries import BELOW_LARGEST, Pooling, entries_in_crop


class Choices(AtenMode):
    """The entries that max poolings took in forwards inside this mode.

    Args:
        most (int, optional): Poolings of a forward, which ends after them.
        of_window (bool): Whether what is watched is the window alone.
        keep_inputs (bool): Keep what was chosen from, for ``same_entries``.

    Attributes:
        failed (bool): Whether a pass could not take the same entries.
    """

    def __init__(
        self,
        most: int | None = None,
        of_window: bool = False,
        keep_inputs: bool = False,
    ) -> None:
        super().__init__()
        self.most, self.of_window, self.failed = most, of_window, False
        self.keep_inputs = keep_inputs
        self.poolings: list[Pooling] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Run an operation; note what a pooling takes."""
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix('aten::')
        if name == 'max_pool2d_with_indices' and args[0].dim() == 4:
            plane = (int(args[0].shape[2]), int(args[0].shape[3]))
            inputs = args[0].clone() if self.keep_inputs else None
            self.poolings.append(Pooling(out[1], plane, args[1:], inputs))
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
        if args[1:] != pooling.geometry:
            return False
        plane = (int(inputs.shape[2]), int(inputs.shape[3]))
        found = entries_in_crop(
            pooling, self.corner, self.size, plane, indices
        )
        if found is None:
            return False
        taken, valid, jumps = found
        local, valid = taken[self.positions], valid[self.positions]
        if local.shape != values.shape:
            return False
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
    size, corner = images.shape[-2:], plan.window.corner
    if choices.of_window:
        units = [(y - corner[0], x - corner[1]) for y, x in units]
        size, corner = plan.window.crop(images).shape[-2:], (0, 0)
    return choices.imposed_on(forward, corner, size, units)
