"""How a tensor is kept: its values, size and memory; lazy ones stay lazy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .kept import Kept
from .restoration import run_all

SMALL = 2**14  # entries; smaller tensors are copied and compared together
_PLAIN = (Tensor, nn.Parameter)
_PLAIN_NUMBERS = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Copies:
    """Memory for copies of large tensors, which the next pass uses again.

    Memory that is new to the process comes page by page: to copy into it
    takes up to four times as long.

    Attributes:
        taken (list[Tensor]): Copies since ``give_back`` was called last.
    """

    def __init__(self) -> None:
        self.taken: list[Tensor] = []
        self._free: dict[tuple, list[Tensor]] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """A copy of a tensor."""
        dense = tensor.is_contiguous() and type(tensor) in _PLAIN
        if not dense or tensor.dtype not in _PLAIN_NUMBERS or tensor.is_neg():
            return tensor.clone()
        free = self._free.setdefault(_slot(tensor), [])
        copy = free.pop() if free else torch.empty_like(tensor)
        self.taken.append(copy)
        return copy.copy_(tensor)

    def give_back(self) -> None:
        """Say that nobody reads the copies any more."""
        for copy in self.taken:
            self._free[_slot(copy)].append(copy)
        self.taken.clear()


def _slot(tensor: Tensor) -> tuple:
    return tensor.shape, tensor.dtype, tensor.device


def keep_tensor(state: Kept, value: Tensor, name: str = '') -> None:
    """Keep a tensor's values, and those of the memory that it is a view of.

    Args:
        state (Kept): Gets the callbacks.
        value (Tensor): A buffer, a parameter or an attribute. What has no
            memory to copy (sparse, on the meta device) is passed over.
        name (str): Of a parameter: added to ``state.changed`` if its values
            differ at the end.
    """
    with suppress(RuntimeError, NotImplementedError):  # of odd kinds
        if is_lazy(value):
            _keep_lazy(state, value)
        elif value.layout is torch.strided and value.device.type != 'meta':
            trained = isinstance(value, nn.Parameter)
            if trained:
                state.flags.append((value, value.requires_grad))
            if state.parameters or not trained:
                named = name if trained else None
                kept = _Place(value, value.detach(), named)
                if _is_small(value):
                    state.small_tensors.append(kept)
                else:
                    _keep_values(state, [kept])


def _is_small(value: Tensor) -> bool:
    """Whether a tensor can be copied together with others of its kind."""
    return (
        type(value) in _PLAIN
        and value.dtype in _PLAIN_NUMBERS
        and value.numel() <= SMALL
        and not value.is_neg()
    )


class _Place(NamedTuple):
    """Where a tensor's values lie: a tensor of the same memory."""

    value: Tensor
    place: Tensor
    name: str | None

    @property
    def moved(self) -> bool:
        """Whether the tensor shows another memory by now."""
        return _form(self.value) != _form(self.place)

    @property
    def kind(self) -> tuple:
        """Alike for tensors that can be copied together."""
        value = self.value
        return value.dtype, value.device, value.is_inference()


def _form(value: Tensor) -> tuple:
    return value.data_ptr(), value.shape, value.stride()


def keep_small_tensors(state: Kept) -> None:
    """Keep the flags and the small tensors that a walk has found.

    A model has thousands. Those of a kind are kept in one copy, since an
    operation for each takes longer than to copy its few numbers.
    """
    groups: dict[tuple, list[_Place]] = {}
    for kept in state.small_tensors:
        groups.setdefault(kept.kind, []).append(kept)
    for group in groups.values():
        _keep_values(state, group)
    flags = list(state.flags)
    state.on_restore(lambda: _give_flags_back(flags))
    state.small_tensors.clear()
    state.flags.clear()


def _give_flags_back(flags: Sequence[tuple[Tensor, bool]]) -> None:
    changed = [(v, wants) for v, wants in flags if v.requires_grad != wants]
    run_all([partial(_give_flag_back, v, wants) for v, wants in changed])


def _give_flag_back(value: Tensor, wants: bool) -> None:
    with torch.inference_mode(value.is_inference()):
        value.requires_grad_(wants)


def _keep_values(state: Kept, group: Sequence[_Place]) -> None:
    """Keep the values of tensors of one kind, in one copy."""
    memories = [_each_entry_once(_as_stored(kept.place)) for kept in group]
    alone = len(group) == 1
    content = state.copied(memories[0]) if alone else _in_one(memories)
    _bits(content)  # of odd kinds: fails here, if at all
    sizes = [_stored_bytes(memory) for memory in memories]

    def unchanged() -> bool:
        if [_stored_bytes(memory) for memory in memories] != sizes:
            return False
        if any(kept.moved for kept in group):
            return False
        now = memories[0] if alone else _in_one(memories)
        return not _differ(now, content)

    def restore() -> None:
        with suppress(Exception):  # of one that cannot be read any more
            if unchanged():
                return
        counts = [memory.numel() for memory in memories]
        contents = [content] if alone else content.split(counts)
        run_all([
            partial(_give_back, state, kept, memory, before, size)
            for kept, memory, before, size in zip(
                group, memories, contents, sizes, strict=True
            )
        ])  # fmt: skip

    state.on_restore(restore)


def _stored_bytes(memory: Tensor) -> int:
    """Bytes of a tensor's storage, which a model may free and ask for again.

    torch does not look whether a tensor lies within it.
    """
    try:
        return memory.untyped_storage().nbytes()
    except (NotImplementedError, RuntimeError):  # of odd kinds: has none
        return 0


def _as_stored(tensor: Tensor) -> Tensor:
    """A tensor of the same memory that reads what is stored there."""
    tensor = tensor.conj() if tensor.is_conj() else tensor
    return torch._neg_view(tensor) if tensor.is_neg() else tensor


def _in_one(memories: Sequence[Tensor]) -> Tensor:
    """A copy of all entries, one after the other."""
    return torch.cat([memory.flatten() for memory in memories])


def _differ(one: Tensor, other: Tensor) -> bool:
    return not torch.equal(_bits(one), _bits(other))


def _give_back(
    state: Kept, kept: _Place, memory: Tensor, before: Tensor, size: int
) -> None:
    # Out of inference mode, inference tensors cannot be written to.
    with torch.inference_mode(kept.value.is_inference()), torch.no_grad():
        freed = _stored_bytes(memory) < size
        if freed:
            memory.untyped_storage().resize_(size)
        moved = kept.moved
        if moved:
            kept.value.data = kept.place
        before = before.view(memory.shape)
        written = freed or _differ(memory, before)
        if written:
            memory.copy_(before)
        if kept.name is not None and (moved or written):
            state.changed.append(kept.name)


def _bits(tensor: Tensor) -> Tensor:
    """The same entries as integers, so that NaN equals itself."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if tensor.is_floating_point():
        return tensor.view(_INTEGERS[tensor.element_size()])
    return tensor


def _each_entry_once(tensor: Tensor) -> Tensor:
    """Of an expanded tensor, the entries that have memory of their own."""
    for dim, (size, step) in enumerate(
        zip(tensor.shape, tensor.stride(), strict=True)
    ):
        if size > 1 and step == 0:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def _keep_lazy(state: Kept, value: Any) -> None:
    kind, wants = type(value), value.requires_grad

    def restore() -> None:
        if type(value) is not kind:
            value.data = torch.empty(0, device=value.device)
            value.requires_grad_(wants)
            value.__class__ = kind

    state.on_restore(restore)
