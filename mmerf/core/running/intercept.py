"""Read what modules return, by replacing their ``forward`` for a while.

The instance's ``forward`` is replaced rather than hooked: segmentors call
``decode_head.forward(x)``, which no forward hook sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

_NO_OWN_FORWARD = object()


@contextmanager
def replaced_forward(
    module: nn.Module, forward: Callable[..., Any]
) -> Iterator[None]:
    """Give a module another ``forward`` inside the context only."""
    own = module.__dict__.get('forward', _NO_OWN_FORWARD)
    module.__dict__['forward'] = forward
    try:
        yield
    finally:
        if own is _NO_OWN_FORWARD:
            module.__dict__.pop('forward', None)
        else:
            module.__dict__['forward'] = own


@contextmanager
def intercepted(
    modules: Iterable[nn.Module],
    on_return: Callable[[nn.Module, Any], None],
) -> Iterator[None]:
    """Call ``on_return(module, output)`` whenever a module's forward returns.

    Args:
        modules (iterable of nn.Module): Without repeats.
        on_return (callable): Called before the output is used anywhere.
    """
    with ExitStack() as stack:
        for module in modules:
            forward = _reporting(module, on_return)
            stack.enter_context(replaced_forward(module, forward))
        yield


def _reporting(
    module: nn.Module, on_return: Callable[[nn.Module, Any], None]
) -> Callable[..., Any]:
    own = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        output = own(*args, **kwargs)
        on_return(module, output)
        return output

    return forward
