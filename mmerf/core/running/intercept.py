"""Read what modules return, by replacing how they are called for a while.

Segmentors call ``decode_head.forward(x)``, which no forward hook sees; called
as usual, hooks of the module's own may still change what it returns. So both
are watched: a call, with all of its hooks, and a bare ``forward``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_NOTHING_OWN = object()
_CALLED = ('forward', '_call_impl')
_TO_PYTHON = frozenset({'tolist', 'numpy', '__array__', '__dlpack__'})


@contextmanager
def replaced_method(
    module: nn.Module, name: str, method: Callable[..., Any]
) -> Iterator[None]:
    """Give a module another method inside the context only."""
    own = module.__dict__.get(name, _NOTHING_OWN)
    module.__dict__[name] = method
    try:
        yield
    finally:
        if own is _NOTHING_OWN:
            module.__dict__.pop(name, None)
        else:
            module.__dict__[name] = own


@contextmanager
def intercepted(
    modules: Iterable[nn.Module],
    on_return: Callable[[nn.Module, Any], None],
) -> Iterator[None]:
    """Call ``on_return(module, output)`` whenever a module returns.

    Args:
        modules (iterable of nn.Module): Without repeats.
        on_return (callable): Called before the output is used anywhere.
    """
    with ExitStack() as stack:
        for module in modules:
            watched = _Watched(module, on_return)
            for name in _CALLED:
                method = replaced_method(module, name, getattr(watched, name))
                stack.enter_context(method)
        yield


@contextmanager
def rerouted(
    module: nn.Module, around: Callable[[Any, tuple, dict], Any]
) -> Iterator[None]:
    """Run ``around(own, args, kwargs)`` in place of a module, inside only.

    Args:
        module (nn.Module): Called as usual, or by a bare ``forward``.
        around (callable): May call ``own``, the module's own method, which
            may be this one once more: a call runs the forward.
    """

    def replacement(own: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            return around(own, args, kwargs)

        return run

    with ExitStack() as stack:
        for name in _CALLED:
            method = replacement(getattr(module, name))
            stack.enter_context(replaced_method(module, name, method))
        yield


def is_rerouted(module: nn.Module) -> bool:
    """Whether a call of a module runs something else."""
    return '_call_impl' in module.__dict__


class _Watched:
    """A module's call and its forward; each return is reported once."""

    def __init__(
        self, module: nn.Module, on_return: Callable[[nn.Module, Any], None]
    ) -> None:
        self.module, self.on_return = module, on_return
        self.own_forward = module.forward
        self.own_call = module._call_impl
        self.called = False  # and its forward has not begun

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        by_call, self.called = self.called, False
        output = self.own_forward(*args, **kwargs)
        if not by_call:
            self.on_return(self.module, output)
        return output

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        self.called = True
        try:
            output = self.own_call(*args, **kwargs)
        finally:
            self.called = False
        self.on_return(self.module, output)
        return output


@contextmanager
def noticed_tensor_hooks() -> Iterator[list[torch.Tensor]]:
    """Collect tensors on which a hook is registered inside the context."""
    found: list[torch.Tensor] = []
    own = torch.Tensor.register_hook

    def register_hook(tensor: torch.Tensor, hook: Any) -> Any:
        found.append(tensor)
        return own(tensor, hook)

    torch.Tensor.register_hook = register_hook  # type: ignore[method-assign]
    try:
        yield found
    finally:
        torch.Tensor.register_hook = own  # type: ignore[method-assign]


class HandedToPython(TorchFunctionMode):
    """While active, notices values that are handed to Python by no operation.

    Args:
        notice (callable): Called with the tensor.
    """

    def __init__(self, notice: Callable[[torch.Tensor], None]) -> None:
        super().__init__()
        self.notice = notice

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, '__name__', '') in _TO_PYTHON and args:
            self.notice(args[0])
        return func(*args, **(kwargs or {}))
