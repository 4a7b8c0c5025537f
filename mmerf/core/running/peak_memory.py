"""The most memory that the tensors of a forward take at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from ..aten import AtenMode, storage_of, tensors_in


class PeakMemory(AtenMode):
    """While active, follows which tensors are alive after every operation.

    What operations return counts until it is freed, views of one storage
    once; tensors that were there before, such as weights, count nothing. So
    the number is the same on every device, whatever else its memory holds.
    Not counted: what an operation takes for itself, and what an allocator
    keeps in reserve.

    Attributes:
        bytes (int): The most that was alive at once, so far.

    Example:
        >>> import torch
        >>> weights = torch.ones(1000)
        >>> with PeakMemory() as peak:
        ...     _ = (weights + 1) * 2
        >>> peak.bytes
        8000
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and add up what is alive after it."""
        kwargs = dict(kwargs or {})
        for tensor in tensors_in([args, kwargs]):
            self._note(tensor, was_there=True)
        returned = func(*args, **kwargs)
        for tensor in tensors_in(returned):
            self._note(tensor)
        alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        self._alive = alive
        self.bytes = max(self.bytes, sum(size for _, size in alive.values()))
        return returned

    def _note(self, tensor: Tensor, was_there: bool = False) -> None:
        """Remember a tensor's storage, unless it is known."""
        key = storage_of(tensor)
        known = self._alive.get(key or 0)
        if key is None or (known is not None and not known[0].expired()):
            return
        storage = tensor.untyped_storage()
        size = 0 if was_there else storage.nbytes()
        self._alive[key] = (StorageWeakRef(storage), size)
