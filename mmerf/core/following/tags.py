"""Tags of tensors, by where their entries lie in memory.

A Python object is no name for a tensor: autograd may make another object of
the same memory. Views of one storage have tags of their own; a write to one
of them may change what the others hold.
"""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from ..aten import storage_of
from ..grid.placed import LOST, Tag

_Geometry = tuple[int, tuple[int, ...], tuple[int, ...]]


class Tags:
    """What is known of the tensors of a forward pass.

    A tensor without a tag does not come from the input, as far as could be
    seen: a parameter, a table of positions.
    """

    def __init__(self) -> None:
        self._by_storage: dict[
            int, tuple[StorageWeakRef, dict[_Geometry, Tag]]
        ] = {}

    def of(self, tensor: Tensor) -> Tag | None:
        """The tag of a tensor; None where none of its memory has one."""
        address = storage_of(tensor)
        if address is None:
            return LOST
        known = self._by_storage.get(address)
        if known is None:
            return None
        return known[1].get(_geometry(tensor), LOST)

    def set(self, tensor: Tensor, tag: Tag) -> None:
        """Note the tag of a new tensor, or of a view that was just taken."""
        views = self._views(tensor)
        if views is not None:
            views[_geometry(tensor)] = tag

    def written(self, tensor: Tensor, tag: Tag) -> None:
        """Note that a tensor was written to; what its views hold is lost."""
        views = self._views(tensor)
        if views is None:
            return
        geometry = _geometry(tensor)
        if views.get(geometry) != tag:
            views.update(dict.fromkeys(views, LOST))
        views[geometry] = tag

    def _views(self, tensor: Tensor) -> dict[_Geometry, Tag] | None:
        address = storage_of(tensor)
        if address is None:
            return None
        known = self._by_storage.get(address)
        if known is None:
            # The weak reference keeps the address from being used again.
            known = (StorageWeakRef(tensor.untyped_storage()), {})
            self._by_storage[address] = known
        return known[1]


def _geometry(tensor: Tensor) -> _Geometry:
    shape = tensor.shape
    strides = _told_strides(shape, tensor.stride())
    return int(tensor.storage_offset()), shape, strides


@lru_cache(4096)
def _told_strides(
    shape: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[int, ...]:
    """Strides, but over one entry, where they mean nothing."""
    if min(shape, default=2) > 1:
        return strides
    return tuple(
        stride if size > 1 else 0
        for size, stride in zip(shape, strides, strict=True)
    )
