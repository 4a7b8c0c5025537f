"""Aten operations, as torch's dispatcher hands them over."""

from __future__ import annotations

import operator
import sys
from functools import cache, wraps
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

Note = TypeVar('Note')
_BY_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_OF_NUMBERS: dict[Any, Any] = {
    torch.ops.aten._local_scalar_dense.default: lambda number: number,
    torch.ops.aten.equal.default: operator.eq,
}
_OTHER_MEMORY = {'resize_', 'resize_as_', 'set_'}


class AtenMode(TorchDispatchMode):
    """While active, ``__torch_dispatch__`` runs every aten operation.

    torch keeps a mode from being compiled, and imports its compiler for that,
    which takes seconds. Here that waits until something else imported it.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if '__torch_dispatch__' in cls.__dict__:
            cls.__torch_dispatch__ = _passing_numbers(  # type: ignore
                cls.__torch_dispatch__
            )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __enter__(self) -> Any:
        kind = type(self)
        if 'torch._dynamo' in sys.modules and kind not in _UNCOMPILED:
            _UNCOMPILED.add(kind)
            uncompiled = torch._disable_dynamo(kind.__torch_dispatch__)
            kind.__torch_dispatch__ = uncompiled  # type: ignore[method-assign]
        return super().__enter__()


_UNCOMPILED: set[type[AtenMode]] = set()


def _passing_numbers(dispatch: Any) -> Any:
    """Do as it does; but a number is its own value.

    The first runs of a traced module ask for the value of what is a number
    already, and compare such, which these operations do not take.
    """

    @wraps(dispatch)
    def run(
        self: Any, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func in _OF_NUMBERS and not isinstance(args[0], Tensor):
            return _OF_NUMBERS[func](*args)
        return dispatch(self, func, types, args, kwargs)

    return run


@cache
def _schema_of(func: Any) -> tuple[dict[str, Any], list[str]]:
    """Arguments with their defaults, and the names of those written to."""
    every = func._schema.arguments
    written = [a.name for a in every if a.alias_info and a.alias_info.is_write]
    return {a.name: a.default_value for a in every}, written


def named_arguments(func: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """An operation's arguments by its schema's names, with their defaults."""
    found = dict(_schema_of(func)[0])
    found.update(zip(found, args, strict=False))
    found.update(kwargs)
    return found


def written_to(func: Any, arguments: dict[str, Any]) -> list[Tensor]:
    """The tensors that an operation changes in place.

    Args:
        func: The operation.
        arguments (dict): By name, from ``named_arguments``.
    """
    return tensors_in([arguments[name] for name in _schema_of(func)[1]])


def shows_otherwise(func: Any) -> bool:
    """Whether an operation lets a tensor show its memory in another way.

    It writes to none: ``unsqueeze_``, ``as_strided_``, but not ``resize_`` or
    ``set_``, which may give it other memory.
    """
    name = func._schema.name.removeprefix('aten::')
    return torch.Tag.inplace_view in func.tags and name not in _OTHER_MEMORY


def deciding(func: Any, args: tuple) -> list[Tensor]:
    """Tensors whose values decide what is told, or the output's size."""
    if func is torch.ops.aten.index.Tensor:  # only masks do
        masks = (torch.bool, torch.uint8)
        return [t for t in tensors_in(args[1:]) if t.dtype in masks]
    return [] if _BY_VALUES.isdisjoint(func.tags) else tensors_in(args)


def storage_of(tensor: Tensor) -> int | None:
    """What names a tensor's memory, which its views share.

    None for a tensor without one of its own kind: sparse, MKL-DNN, nested.
    The name is used again once the memory is gone.
    """
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return None


def kept_tensor(node: Any, name: str) -> Tensor | None:
    """A tensor that a node of autograd's graph keeps for its backward.

    None where hooks are to hand it out, which may do so once only, or run a
    part of the model again for it; or where the node does not say.

    Args:
        node (Node): The node.
        name (str): Of the operation's argument.
    """
    saved: Any = getattr(node, f'_raw_saved_{name}', None)
    hook: Any = getattr(saved, 'unpack_hook', 'torch does not say')
    if hook is None:
        return saved.data
    return hook(saved.data) if hook in _HANDING_OUT else None


_HANDING_OUT: set[Any] = set()
# Older torch does not: there no kept tensor can be looked at.
SAYS_HOOKS = hasattr(torch._C._autograd.SavedTensor, 'unpack_hook')


def hands_out(hook: Any) -> Any:
    """Say that a hook hands out a kept tensor as often as it is asked."""
    _HANDING_OUT.add(hook)
    return hook


class MemoryNotes(Generic[Note]):
    """What is noted of tensors' memory, which views share, while it lives."""

    def __init__(self) -> None:
        # The weak reference keeps the address from being used again.
        self._notes: dict[int, tuple[StorageWeakRef, Note]] = {}

    def of(self, tensor: Tensor, otherwise: Any = None) -> Any:
        """What was noted of a tensor's memory."""
        _, note = self._notes.get(storage_of(tensor) or 0, (None, otherwise))
        return note

    def set(self, tensor: Tensor, note: Note) -> None:
        """Note something; nothing of a tensor without memory of its own."""
        address = storage_of(tensor)
        if address is not None:
            ref = StorageWeakRef(tensor.untyped_storage())
            self._notes[address] = ref, note


def tensors_in(values: Any) -> list[Tensor]:
    """Every tensor in nested lists, tuples and dictionaries."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (list, tuple)):
        return []
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple, dict)):
            found += tensors_in(value)
    return found
