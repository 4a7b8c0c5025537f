"""How objects are kept: their attributes and slots, and which are not."""

from __future__ import annotations

import io
import sys
import threading
import types
from contextlib import suppress
from functools import cache
from typing import Any

from .kept import Kept

_MISSING = object()
# Objects of these packages are no state of a model, but what runs it.
_NOT_FOLLOWED = frozenset(
    {*sys.stdlib_module_names, 'torch', 'numpy', 'builtins', 'mmerf'}
) - {'types', 'collections'}
_RUNNING = tuple(
    f'mmengine.{room}'
    for room in ('config', 'hooks', 'logging', 'optim', 'registry', 'runner',
                 'visualization')
)  # fmt: skip
# An object that holds one of these is in use elsewhere at the same time.
_SHARED = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Thread,
    io.IOBase,
)


def keep_attributes(state: Kept, value: Any) -> None:
    """Keep an object's own attributes, and what they hold."""
    if not is_followed(value):
        return
    attributes = getattr(value, '__dict__', None)
    if isinstance(attributes, dict):
        if any(isinstance(item, _SHARED) for item in attributes.values()):
            return
        before = dict(attributes)
        state.on_restore(lambda: state.give_back(attributes, before))
        state.keep_every(before.values())
    keep_slots(state, value)


def keep_slots(state: Kept, value: Any) -> None:
    """Keep what an object holds in ``__slots__``."""
    for kind in type(value).__mro__:
        if kind.__dict__.get('__slots__'):
            for member in kind.__dict__.values():
                if isinstance(member, types.MemberDescriptorType):
                    _keep_slot(state, value, member)


def _keep_slot(
    state: Kept, value: Any, member: types.MemberDescriptorType
) -> None:
    try:
        before = member.__get__(value)
    except AttributeError:
        before = _MISSING

    def restore() -> None:
        if before is not _MISSING:
            member.__set__(value, state.now(before))
            return
        with suppress(AttributeError):
            member.__delete__(value)

    state.on_restore(restore)
    state.keep(before)


def is_followed(value: Any) -> bool:
    """Whether an object's attributes may be state of a model."""
    return not isinstance(value, type) and is_own(type(value).__module__)


def is_own(module: Any) -> bool:
    """Whether a module's objects may be state of a model."""
    return _is_own(str(module))


@cache
def _is_own(module: str) -> bool:
    if module.startswith(_RUNNING):
        return False
    return module.partition('.')[0] not in _NOT_FOLLOWED
