"""Which part of a memory a tensor shows, in rows and columns of its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ..aten import storage_of

Stretch = tuple[int, int]  # first, and the one after the last


class Places(NamedTuple):
    """Rows and columns of a grid."""

    rows: Stretch
    columns: Stretch

    def joined(self, other: Places) -> Places:
        """The smallest box that holds both."""
        return Places(*(
            (min(a[0], b[0]), max(a[1], b[1]))
            for a, b in zip(self, other, strict=True)
        ))  # fmt: skip

    def within(self, other: Places) -> Places | None:
        """What both share; None for nothing."""
        rows, columns = (
            (max(a[0], b[0]), min(a[1], b[1]))
            for a, b in zip(self, other, strict=True)
        )
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return None
        return Places(rows, columns)

    def moved(self, down: int, across: int) -> Places:
        """The box so many places further down and across."""
        (top, bottom), (left, right) = self
        return Places(
            (top + down, bottom + down), (left + across, right + across)
        )

    @property
    def area(self) -> int:
        """Number of its places."""
        (top, bottom), (left, right) = self
        return (bottom - top) * (right - left)


@dataclass(frozen=True)
class Region:
    """The part of a memory that a tensor shows.

    Attributes:
        memory (int): Names the memory for all of a forward.
        shape (tuple[int, ...]): Of the tensor.
        box (Places, optional): Rows and columns that it shows of the grid that
            the memory was made as; None for all of the memory.
        grid (bool): Whether the tensor is a grid (N, C, h, w) itself: the
            last two axes are those rows and columns.
    """

    memory: int
    shape: tuple[int, ...]
    box: Places | None = None
    grid: bool = False


class _Base(NamedTuple):
    """The tensor that a memory was made as."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


class Memories:
    """Names memories by what was made in them, though addresses come again.

    Example:
        >>> import torch
        >>> memories, grid = Memories(), torch.zeros(1, 2, 8, 9)
        >>> memories.made(grid).grid
        True
        >>> memories.region_of(grid[:, :, 3, 4]).box
        Places(rows=(3, 4), columns=(4, 5))
    """

    def __init__(self) -> None:
        self._names: dict[int, int] = {}  # by address
        self._bases: dict[int, _Base] = {}  # by name
        self.count = 0

    def made(self, tensor: Tensor) -> Region:
        """The region of a tensor in a memory that did not exist before."""
        name = self._new_name(tensor)
        shape = tuple(tensor.shape)
        repeated = any(
            size > 1 and not step
            for size, step in zip(shape, tensor.stride(), strict=True)
        )
        if len(shape) != 4 or repeated:
            return Region(name, shape)
        base = _Base(
            shape, tuple(tensor.stride()), int(tensor.storage_offset())
        )
        self._bases[name] = base
        return Region(name, shape, Places((0, shape[2]), (0, shape[3])), True)

    def region_of(self, tensor: Tensor) -> Region:
        """The region of any tensor; parameters and constants have no box."""
        address = storage_of(tensor)
        if address is None:
            raise ValueError('a tensor without a memory of its own kind')
        name = self._names.get(address)
        if name is None:
            name = self._new_name(tensor)
        shape, base = tuple(tensor.shape), self._bases.get(name)
        found = base and _box_and_axes(tensor, base)
        if not found:
            return Region(name, shape)
        box, axes = found
        return Region(name, shape, box, _is_grid(shape, box, axes))

    def _new_name(self, tensor: Tensor) -> int:
        address = storage_of(tensor)
        if address is None:
            raise ValueError('a tensor without a memory of its own kind')
        self.count += 1
        self._names[address] = self.count
        return self.count


def _is_grid(
    shape: tuple[int, ...], box: Places, axes: dict[int, int]
) -> bool:
    if len(shape) != 4:
        return False
    return all(
        shape[axis] == last - first
        and (shape[axis] == 1 or axes[axis] == axis)
        for axis, (first, last) in zip((2, 3), box, strict=True)
    )


def _box_and_axes(
    tensor: Tensor, base: _Base
) -> tuple[Places, dict[int, int]] | None:
    """Rows and columns of the base, and which axis is which of the base's.

    None where the tensor does not show a block of the base: it has other
    steps, is repeated, or flat.
    """
    long = [axis for axis, size in enumerate(base.shape) if size > 1]
    rest = int(tensor.storage_offset()) - base.offset
    spans = [(0, 1)] * 4
    for axis in sorted(long, key=lambda i: -base.stride[i]):
        first, rest = divmod(rest, base.stride[axis])
        spans[axis] = (first, first + 1)
    axes: dict[int, int] = {}
    for axis, (size, step) in enumerate(
        zip(tensor.shape, tensor.stride(), strict=True)
    ):
        if size == 1:
            continue
        match = [
            i
            for i in long
            if base.stride[i] == step and i not in axes.values()
        ]
        if not match:
            return None
        axes[axis] = match[0]
        first = spans[match[0]][0]
        spans[match[0]] = (first, first + size)
    inside = all(
        0 <= first < last <= size
        for (first, last), size in zip(spans, base.shape, strict=True)
    )
    return (Places(spans[2], spans[3]), axes) if inside and not rest else None
