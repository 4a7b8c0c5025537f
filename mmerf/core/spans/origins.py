"""What no span of pixels tells: numbers past torch, and tables of positions.

Code outside of torch (an extension's kernel, NumPy, a compiled function)
writes into memory without an operation, or returns memory that no operation
made. What such numbers depend on cannot be followed.

A unit that a constant reaches which differs from place to place depends on
where in the image it is, and a crop gives it another place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy

from .memory import NOTHING, SPREAD, SpanMemory, is_place

# Besides those that torch says work entry by entry.
_BY_ENTRY = frozenset({'aten::cat', 'aten::stack', 'aten::masked_fill'})
_OVERWRITING = 'aten::copy'
_BLANK = frozenset(
    ['empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided']
)
_ZEROS = frozenset(['zeros', 'zeros_like', 'new_zeros'])
_NUMBERS_ONLY = frozenset(['_local_scalar_dense', 'equal', 'is_nonzero'])


class Origins:
    """Where the memory of a forward's tensors came from.

    Args:
        known (iterable of Tensor): Inputs, parameters, buffers.

    Attributes:
        unseen (dict[str, None]): What came past torch's operations.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        self.unseen: dict[str, None] = {}
        # What memory holds, by its address while it lives.
        self._known: dict[int, tuple[StorageWeakRef | None, str]] = {}
        self._known[0] = None, ''
        for tensor in known:
            self._set(tensor, '')

    def note(
        self,
        name: str,
        inputs: list[Tensor],
        written: list[Tensor],
        made: list[Tensor],
    ) -> None:
        """Note an operation.

        Args:
            name (str): Of the operation, without its namespace.
            inputs (list of Tensor): Every tensor that it is given.
            written (list of Tensor): Those that it changes.
            made (list of Tensor): Every tensor that it returns.
        """
        if name in _NUMBERS_ONLY:
            self.unseen[f'a number of Python ({name})'] = None
        writes = {_memory(tensor) for tensor in written}
        returned = {_memory(tensor) for tensor in made}  # by a view, its base
        for tensor in inputs:
            if _memory(tensor) not in writes | returned:
                self._read(tensor)
        kind = 'blank' if name in _BLANK else ''
        kind = 'zeros' if name in _ZEROS else kind
        for tensor in written:
            self._set(tensor, '')
        for tensor in made:
            if name != 'lift_fresh' and self._kind(tensor) is None:
                self._set(tensor, kind)

    def _read(self, tensor: Tensor) -> None:
        kind = self._kind(tensor)
        if kind == '':
            return
        if kind == 'zeros' and not bool(tensor.any()):
            return
        self.unseen['numbers that no operation of torch has made'] = None

    def _kind(self, tensor: Tensor) -> str | None:
        """What a tensor's memory holds; None if that is not known."""
        ref, kind = self._known.get(_memory(tensor), (None, None))
        return None if ref is not None and ref.expired() else kind

    def _set(self, tensor: Tensor, kind: str) -> None:
        memory = _memory(tensor)
        if memory:
            ref = StorageWeakRef(tensor.untyped_storage())
            self._known[memory] = ref, kind


def _memory(tensor: Tensor) -> int:
    if is_lazy(tensor) or tensor.layout is not torch.strided:
        return 0
    return int(tensor.untyped_storage()._cdata)


def reads_table(
    func: Any, name: str, inputs: list[Tensor], memory: SpanMemory, length: int
) -> bool:
    """Whether an operation meets a constant that differs along the axis.

    Constants that repeat, as of attention windows, are none: a dimension
    counts if it alone runs along a good part of the strip.

    Args:
        func, name: The operation.
        inputs (list of Tensor): That it is given.
        memory (SpanMemory): Spans along the axis.
        length (int): Of the strip, in px.
    """
    if name == _OVERWRITING:
        if not memory.tracks(inputs[0]):
            return False  # what it held tells nothing any more
    elif torch.Tag.pointwise not in func.tags and name not in _BY_ENTRY:
        return False
    constants = [t for t in inputs if not memory.tracks(t) and t.numel() > 1]
    return bool(constants) and any(
        _differs_along(constant, tensor, memory, length)
        for tensor in inputs
        if memory.tracks(tensor)
        for constant in constants
    )


def _differs_along(
    constant: Tensor, tensor: Tensor, memory: SpanMemory, length: int
) -> bool:
    """Whether a constant differs along a dimension of places of a tensor."""
    last = None
    for back in range(-min(constant.dim(), tensor.dim()), 0):
        size = constant.shape[back]
        if size < 2 or tensor.shape[back] != size:
            continue
        if last is None:
            last = memory.read(tensor)[1]
        if _runs_along(last, back) < SPREAD * length:
            continue
        if bool((constant != constant.narrow(back, 0, 1)).any()):
            return True
    return False


def _runs_along(last: Tensor, dim: int) -> float:
    """How far the places of a dimension are apart, px."""
    others = ~is_place(last)
    high = last.masked_fill(others, NOTHING).amax(dim)
    low = last.masked_fill(others, -NOTHING).amin(dim)
    apart = high - low
    return float(apart.max()) if apart.numel() else 0.0
