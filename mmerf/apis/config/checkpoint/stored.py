"""Objects of a checkpoint's pickle as they stand in memory: unread.

Weights are ``StoredTensor``, which give tensors of exactly the file's bytes;
numpy's arrays and mmengine's histories are markers whose description has been
checked, since nobody reads them here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

# of a numpy dtype without fields, objects and flags, in this byte order
_PLAIN_STATES = tuple(
    (3, order, None, None, None, -1, -1, 0) for order in '<|'
)
_MOST_ELEMENTS = 2**62
_MOST_DIMENSIONS = 64


class UnsafeGlobalError(Exception):
    """A pickle asks for something that could run code; the text names it."""


class Unread:
    """Stands for an object of which nothing is read."""

    def set_state(self, state: Any) -> None:
        """Take what the pickle says of the object; keep nothing."""


@dataclass(eq=False)
class StoredDtype:
    """A numeric numpy dtype: ``size`` bytes per element."""

    size: int

    def set_state(self, state: Any) -> None:
        """Check the state: no fields, no objects, this byte order.

        Raises:
            UnsafeGlobalError: If it is anything else.
        """
        if type(state) is not tuple or state not in _PLAIN_STATES:
            raise UnsafeGlobalError('numpy.dtype with fields or flags')


class StoredArray:
    """A numpy array, of which only the length is checked."""

    def set_state(self, state: Any) -> None:
        """Check that the bytes are as many as shape and dtype need.

        Raises:
            UnsafeGlobalError: If the array is not one of plain numbers.
            ValueError: If it is longer or shorter.
        """
        version, shape, dtype, _, content = state
        if type(dtype) is not StoredDtype or type(content) is not bytes:
            raise UnsafeGlobalError('numpy.ndarray of objects')
        if version != 1 or elements_of(shape) * dtype.size != len(content):
            raise ValueError('an array and its bytes differ in length')


@dataclass(frozen=True, eq=False)
class Storage:
    """Consecutive numbers in the file.

    Attributes:
        dtype (torch.dtype): Of each number.
        count (int): How many.
        find (callable): Gives the file's content, and the first byte's place
            in it.
    """

    dtype: torch.dtype
    count: int
    find: Callable[[], tuple[bytearray, int]]


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that is still in the file: some numbers of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> torch.Tensor:
        """The tensor, a view of the file's content.

        Raises:
            ValueError: If it reaches beyond its storage.
        """
        storage = self.storage
        last = sum(
            (side - 1) * step
            for side, step in zip(self.shape, self.stride, strict=True)
        )
        if not elements_of(self.shape):
            return torch.empty(self.shape, dtype=storage.dtype)
        if not 0 <= self.offset + last < storage.count:
            raise ValueError('a tensor reaches beyond its storage')
        content, place = storage.find()
        truth = storage.dtype is torch.bool
        flat = torch.frombuffer(
            content,
            dtype=torch.uint8 if truth else storage.dtype,
            count=storage.count,
            offset=place,
        )
        if truth:
            if flat.max() > 1:
                raise ValueError('a truth value is neither 0 nor 1')
            flat = flat.view(torch.bool)
        return flat.as_strided(self.shape, self.stride, self.offset)


def checked_count(value: Any) -> int:
    """The value; ValueError unless it is a whole number >= 0."""
    if type(value) is not int or not 0 <= value <= _MOST_ELEMENTS:
        raise ValueError(f'a number of elements is {type(value).__name__}')
    return value


def elements_of(shape: Any) -> int:
    """Number of elements of a shape; ValueError if it is none."""
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
        raise ValueError('a shape is no tuple of a few numbers')
    return checked_count(math.prod(map(checked_count, shape)))
