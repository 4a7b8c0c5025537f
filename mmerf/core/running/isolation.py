"""Leave a model and the random state as they were before a measurement."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils.checkpoint import CheckpointFunction

from ..errors import MeasurementError
from .model_state import ModelState

# Attributes that switch on activation checkpointing in mmcv, torchvision,
# transformers and timm. Under it, a block's output has no graph yet.
_CHECKPOINTING = (
    'with_cp',
    'use_checkpoint',
    'gradient_checkpointing',
    'grad_checkpointing',
)


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Measure inside; afterwards the model is as it was, whatever happened.

    Inside, modules are in eval mode (their flag is set: a ``train`` of their
    own may change weights), parameters need no gradient and activation
    checkpointing is off. Afterwards train/eval flags, ``requires_grad``,
    buffers, plain attributes of modules, those switches, gradient mode and
    the random state of Python, NumPy and torch are what they were before.

    Args:
        model (nn.Module): The model, without wrappers.

    Raises:
        MeasurementError: If parameters are sharded over processes (FSDP).
    """
    _check_not_sharded(model)
    with ExitStack() as stack:
        stack.enter_context(random_state(model))
        stack.enter_context(state_restored(model))
        stack.callback(_restore_flags, _flags(model))
        stack.enter_context(_checkpointing_off())
        for module in model.modules():
            module.training = False
            for name in _CHECKPOINTING:
                if module.__dict__.get(name) is True:
                    setattr(module, name, False)
        for parameter in model.parameters():
            if not is_lazy(parameter):
                parameter.requires_grad_(False)
        yield


@contextmanager
def state_restored(model: nn.Module) -> Iterator[None]:
    """Run forwards inside; afterwards the model has the state it had.

    That is buffers, plain attributes with what they hold, hooks and children:
    what a forward may count, cache or build; see ``ModelState``. So a forward
    on a crop leaves nothing for one on a whole image to find.

    Args:
        model (nn.Module): The model, without wrappers.
    """
    state = ModelState(model)
    try:
        yield
    finally:
        state.restore()


def _check_not_sharded(model: nn.Module) -> None:
    """Refuse FSDP: it gathers weights for its own forwards alone."""
    for name, parameter in model.named_parameters():
        if type(parameter).__name__ in ('DTensor', 'FlatParameter'):
            raise MeasurementError(
                f'{name} is spread over processes (FSDP), and a layer inside '
                'cannot be measured there; measure a checkpoint with '
                'tools/erf.py'
            )


@contextmanager
def _checkpointing_off() -> Iterator[None]:
    """Run the function of reentrant checkpoints: their output has no graph."""
    own = CheckpointFunction.__dict__.get('apply')
    CheckpointFunction.apply = staticmethod(  # type: ignore[method-assign]
        lambda function, preserve, *inputs: function(*inputs)
    )
    try:
        yield
    finally:
        del CheckpointFunction.apply
        if own is not None:  # a measurement inside another
            CheckpointFunction.apply = own  # type: ignore[method-assign]


@contextmanager
def random_state(model: nn.Module | None = None) -> Iterator[None]:
    """Restore the random state of Python, NumPy and torch on leaving.

    Args:
        model (nn.Module, optional): Whose CUDA devices to include.
    """
    tensors = model.parameters() if model is not None else ()
    devices = sorted({p.device.index or 0 for p in tensors if p.is_cuda})
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _flags(model: nn.Module) -> list[tuple[Any, str, Any]]:
    flags: list[tuple[Any, str, Any]] = []
    for module in model.modules():
        flags.append((module, 'training', module.training))
        for name in _CHECKPOINTING:
            if name in module.__dict__:
                flags.append((module, name, module.__dict__[name]))
    for parameter in model.parameters():
        flags.append((parameter, 'requires_grad', parameter.requires_grad))
    return flags


def _restore_flags(flags: list[tuple[Any, str, Any]]) -> None:
    failures = []
    for owner, name, value in flags:
        try:
            setattr(owner, name, value)
        except Exception as error:  # restore the other owners all the same
            failures.append(error)
    if failures:
        raise failures[0]
