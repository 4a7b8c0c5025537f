"""The precision of a pass: strict float32 (no TF32), or autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..state.process_state import precision_owners

HALF_SCALE = 2.0**12  # factor on a score whose gradient is float16


@contextmanager
def precision(device_type: str, amp: str | None) -> Iterator[None]:
    """Autocast to ``amp``; without it, float32 even inside an autocast.

    In float32, TF32 is off for convolutions and matrix products: it rounds
    their factors to ten bits.

    Args:
        device_type (str): Such as ``'cuda'``.
        amp (str, optional): ``'bfloat16'``, ``'float16'`` or None.
    """
    if amp is not None:
        with torch.autocast(device_type, dtype=getattr(torch, amp)):
            yield
        return
    with _no_tf32():
        if _autocast_is_on(device_type):
            with torch.autocast(device_type, enabled=False):
                yield
        else:
            yield


@contextmanager
def _no_tf32() -> Iterator[None]:
    """Strict float32 products inside the context; settings are restored."""
    # Set these alone: torch raises once the older switches are set as well.
    owners = precision_owners()
    if not owners:  # older torch
        cudnn = torch.backends.cudnn
        old = cudnn.allow_tf32, torch.get_float32_matmul_precision()
        try:
            cudnn.allow_tf32 = False
            torch.set_float32_matmul_precision('highest')
            yield
        finally:
            cudnn.allow_tf32 = old[0]
            torch.set_float32_matmul_precision(old[1])
        return
    on = [
        (owner, owner.fp32_precision)
        for owner in owners
        if owner.fp32_precision in ('tf32', 'bf16')
    ]
    try:
        for owner, _ in on:
            owner.fp32_precision = 'ieee'
        yield
    finally:
        for owner, before in on:
            owner.fp32_precision = before


def _autocast_is_on(device_type: str) -> bool:
    if device_type == 'cpu':
        return bool(torch.is_autocast_cpu_enabled())
    return bool(torch.is_autocast_enabled())


def gradient_scale(device_type: str) -> float:
    """Factor on a score that keeps its float16 gradient from vanishing.

    1 unless autocast to float16 is on.
    """
    if device_type == 'cpu':
        on, dtype = _autocast_is_on('cpu'), torch.get_autocast_cpu_dtype()
    elif device_type == 'cuda':
        on, dtype = _autocast_is_on('cuda'), torch.get_autocast_gpu_dtype()
    else:
        return 1.0
    return HALF_SCALE if on and dtype == torch.float16 else 1.0


def as_weights(inputs: Tensor, model: nn.Module) -> Tensor:
    """Inputs in the precision of a model's weights, if all have the same."""
    dtypes = {
        value.dtype
        for value in model.parameters()
        if value.dtype.is_floating_point
    }
    return inputs.to(dtypes.pop()) if len(dtypes) == 1 else inputs


def device_of(model: nn.Module, inputs: Tensor) -> torch.device:
    """The device of a model's weights; that of inputs, if it has none."""
    return next(model.parameters(), inputs).device
