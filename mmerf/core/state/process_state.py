"""What belongs to the whole process: random state, modes and switches."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from .restoration import Callback, run_all

# Of a checkpoint that is not reentrant: a generator around its forward.
AROUND_CHECKPOINT = '_checkpoint_without_reentrant_generator'
# What a measurement replaces for a while.
_METHODS = (
    (checkpoint.CheckpointFunction, 'apply'),
    (checkpoint, AROUND_CHECKPOINT),
    (torch.Tensor, 'register_hook'),
)


def process_state(tensors: Iterable[Tensor] = ()) -> list[Callback]:
    """Callbacks that give the process's state back.

    That is the random state of Python, NumPy and torch, gradient mode,
    autocast, the precision of float32 products, and the methods of torch that
    a measurement replaces.

    Args:
        tensors (iterable of Tensor): Whose CUDA devices to include.
    """
    return [
        *_methods(),
        *_modes(),
        *_precisions(),
        *_random_states(tensors),
    ]


@contextmanager
def random_state(model: nn.Module | None = None) -> Iterator[None]:
    """Restore the random state of Python, NumPy and torch on leaving.

    Args:
        model (nn.Module, optional): Whose CUDA devices to include.
    """
    callbacks = _random_states(() if model is None else model.parameters())
    try:
        yield
    finally:
        run_all(callbacks)


def _random_states(tensors: Iterable[Tensor]) -> list[Callback]:
    devices = sorted({p.device.index or 0 for p in tensors if p.is_cuda})
    python, numpy = random.getstate(), np.random.get_state()
    words = torch.get_rng_state()
    callbacks: list[Callback] = [
        lambda: random.setstate(python),
        lambda: np.random.set_state(numpy),
        lambda: torch.set_rng_state(words),
    ]
    for device in devices:
        drawn = torch.cuda.get_rng_state(device)

        def restore(state: Any = drawn, device: int = device) -> None:
            torch.cuda.set_rng_state(state, device)

        callbacks.append(restore)
    return callbacks


def _modes() -> list[Callback]:
    grad = torch.is_grad_enabled()
    on_cpu = torch.is_autocast_enabled('cpu')
    on_cuda = torch.is_autocast_enabled('cuda')
    modes = torch._C._len_torch_dispatch_stack()

    def leave_modes() -> None:
        while torch._C._len_torch_dispatch_stack() > modes:
            torch._C._pop_torch_dispatch_stack(None)

    return [
        leave_modes,
        lambda: torch.set_grad_enabled(grad),
        lambda: torch.set_autocast_enabled('cpu', on_cpu),
        lambda: torch.set_autocast_enabled('cuda', on_cuda),
    ]


def precision_owners() -> list[Any]:
    """The backends that have a ``fp32_precision``; none in older torch."""
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    if not hasattr(cudnn, 'conv'):
        return []
    matmul = torch.backends.cuda.matmul
    owners: list[Any] = [cudnn.conv, cudnn.rnn, matmul]
    return [*owners, mkldnn.conv, mkldnn.rnn, mkldnn.matmul]


def _precisions() -> list[Callback]:
    owners = [(owner, owner.fp32_precision) for owner in precision_owners()]
    if owners:

        def restore() -> None:
            for owner, before in owners:
                if owner.fp32_precision != before:
                    owner.fp32_precision = before

        return [restore]
    cudnn = torch.backends.cudnn
    tf32, matmul = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    return [
        lambda: setattr(cudnn, 'allow_tf32', tf32),
        lambda: torch.set_float32_matmul_precision(matmul),
    ]


def _methods() -> list[Callback]:
    return [_method(owner, name) for owner, name in _METHODS]


def _method(owner: Any, name: str) -> Callback:
    own = owner.__dict__.get(name)

    def restore() -> None:
        if own is not None:
            setattr(owner, name, own)
        elif name in owner.__dict__:
            delattr(owner, name)

    return restore
