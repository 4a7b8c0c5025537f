"""See what modules return, and always give them their forward back.

The instance's ``forward`` is wrapped rather than hooked: segmentors call
``decode_head.forward(x)``, which no forward hook sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

_UNSET = object()


@contextmanager
def tapped(
    modules: Iterable[nn.Module],
    returned: Callable[[nn.Module, Any], None],
) -> Iterator[None]:
    """Call ``returned(module, output)`` whenever a module's forward returns.

    Args:
        modules (iterable of nn.Module): Without repeats.
        returned (callable): Sees the output before anything else does.

    Whatever happens inside, every module gets its own forward back.
    """
    before: list[tuple[nn.Module, Any]] = []
    try:
        for module in modules:
            before.append((module, module.__dict__.get('forward', _UNSET)))
            module.__dict__['forward'] = _wrapper(module, returned)
        yield
    finally:
        for module, forward in before:
            if forward is _UNSET:
                module.__dict__.pop('forward', None)
            else:
                module.__dict__['forward'] = forward


def _wrapper(
    module: nn.Module, returned: Callable[[nn.Module, Any], None]
) -> Callable:
    inner = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        output = inner(*args, **kwargs)
        returned(module, output)
        return output

    return forward
