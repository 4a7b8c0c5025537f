"""In which precision a pass runs: float32 to the letter, or autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .settings import AMP_DTYPES

HALF_SCALE = 2.0**12  # of a score whose gradient runs in float16


@contextmanager
def precision(device_type: str, amp: str | None) -> Iterator[None]:
    """Autocast to ``amp``; without it, float32 even inside an autocast.

    In float32, TF32 is off for convolutions and matrix products: it keeps
    ten bits of a factor.

    Args:
        device_type (str): Such as ``'cuda'``.
        amp (str, optional): ``'bfloat16'``, ``'float16'`` or None.
    """
    if amp is not None:
        with torch.autocast(device_type, dtype=AMP_DTYPES[amp]):
            yield
        return
    owners: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [owner.allow_tf32 for owner in owners]
    try:
        for owner in owners:
            owner.allow_tf32 = False
        if _autocast_is_on(device_type):
            with torch.autocast(device_type, enabled=False):
                yield
        else:
            yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            owner.allow_tf32 = value


def _autocast_is_on(device_type: str) -> bool:
    if device_type == 'cpu':
        return bool(torch.is_autocast_cpu_enabled())
    return bool(torch.is_autocast_enabled())


def gradient_scale(device_type: str) -> float:
    """What to multiply a score with, so that its gradient does not vanish."""
    if device_type == 'cpu':
        on, dtype = _autocast_is_on('cpu'), torch.get_autocast_cpu_dtype()
    elif device_type == 'cuda':
        on, dtype = _autocast_is_on('cuda'), torch.get_autocast_gpu_dtype()
    else:
        return 1.0
    return HALF_SCALE if on and dtype == torch.float16 else 1.0
