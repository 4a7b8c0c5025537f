"""How a tensor is kept: its values, size and memory; lazy ones stay lazy."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .kept import Kept

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


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
                _keep_flag(state, value)
            if state.parameters or not trained:
                _keep_values(state, value, name if trained else None)


def _keep_values(state: Kept, value: Tensor, name: str | None) -> None:
    inference = value.is_inference()
    place = value.detach()
    memory = _each_entry_once(place)
    content = memory.clone()
    before = _bits(content)

    def restore() -> None:
        # Out of inference mode, inference tensors cannot be written to.
        with torch.inference_mode(inference), torch.no_grad():
            moved = (
                value.data_ptr() != place.data_ptr()
                or value.shape != place.shape
                or value.stride() != place.stride()
            )
            if moved:
                value.data = place
            written = not torch.equal(_bits(memory), before)
            if written:
                memory.copy_(content)
            if name is not None and (moved or written):
                state.changed.append(name)

    state.on_restore(restore)


def _bits(tensor: Tensor) -> Tensor:
    """The same entries as integers, so that NaN equals itself."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if tensor.is_floating_point():
        return tensor.view(_INTEGERS[tensor.element_size()])
    return tensor


def _keep_flag(state: Kept, value: Tensor) -> None:
    wants = value.requires_grad
    state.on_restore(lambda: value.requires_grad_(wants))


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
