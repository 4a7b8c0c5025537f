"""What no span of pixels tells: numbers past torch, and tables of positions.

Code outside of torch (an extension's kernel, NumPy, a compiled function)
writes into memory without an operation, or returns memory that no operation
made. What such numbers depend on cannot be followed.

A unit that a constant reaches which differs from place to place depends on
where in the image it is, and a crop gives it another place.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from ..aten import MemoryNotes
from .memory import NOTHING, SPREAD, SpanMemory, is_place
from .products import ATTENTIONS

_OVERWRITING = 'aten::copy'
# Which of an operation's tensors may be tables of positions, where not all:
# weights, statistics of norms and indices are none.
_MAY_BE_TABLES = {
    **{
        f'aten::{name}': slice(0)
        for name in (
            'convolution', 'mkldnn_convolution', 'mm', 'bmm', 'linear',
            'native_batch_norm', '_native_batch_norm_legit',
            '_native_batch_norm_legit_no_training', 'native_layer_norm',
            'native_group_norm', 'index', 'index_select', 'gather',
            'take_along_dim', 'embedding',
        )
    },
    **{f'aten::{name}': slice(1) for name in ('addmm', 'baddbmm')},
    **{name: slice(3, None) for name in ATTENTIONS},
    _OVERWRITING: slice(1, None),
}  # fmt: skip
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
        self._known = MemoryNotes[str]()  # what memory holds
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
        return self._known.of(tensor) if _memory(tensor) else ''

    def _set(self, tensor: Tensor, kind: str) -> None:
        if _memory(tensor):
            self._known.set(tensor, kind)


def _memory(tensor: Tensor) -> int:
    if is_lazy(tensor) or tensor.layout is not torch.strided:
        return 0
    return int(tensor.untyped_storage()._cdata)


def reads_table(
    name: str, inputs: list[Tensor], memory: SpanMemory, length: int
) -> bool:
    """Whether an operation meets a constant that differs along the axis.

    Constants that repeat, as of attention windows, are none: a dimension
    counts if it alone runs along a good part of the strip. One that is copied
    beside what comes from the image counts however it differs.

    Args:
        name (str): The operation's.
        inputs (list of Tensor): That it is given.
        memory (SpanMemory): Spans along the axis.
        length (int): Of the strip, in px.
    """
    given = inputs[_MAY_BE_TABLES.get(name, slice(None))]
    constants = [t for t in given if not memory.tracks(t) and t.numel() > 1]
    if not constants:
        return False
    if name == _OVERWRITING:
        target = inputs[0]
        if not memory.tracks(target):
            return False  # what it held tells nothing any more
        if bool((memory.read(target)[1] == NOTHING).all()):
            return bool((constants[0] != constants[0].flatten()[0]).any())
    return any(
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
