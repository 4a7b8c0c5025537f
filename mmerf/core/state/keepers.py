"""How the values that attributes hold are kept: one keeper per kind.

A keeper takes a ``Kept`` and a value; it adds the callback that gives
the value back what it held, then hands on what it holds.
"""

from __future__ import annotations

import array
import copy
import functools
import operator
import random
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterator, MutableSet
from typing import Any

import numpy as np
import torch

from .generators import (
    keep_numpy_generator,
    keep_random,
    keep_random_state,
    keep_torch_generator,
)
from .kept import Kept
from .objects import is_followed, is_own, keep_attributes
from .tensors import keep_tensor

Keeper = Callable[[Kept, Any], None]


def _keep_dict(state: Kept, value: dict) -> None:
    before = dict(value)
    state.on_restore(lambda: state.give_back(value, before))
    state.keep_every(list(dict.values(value)))  # no dict's own code
    keep_attributes(state, value)


def _keep_sequence(state: Kept, value: Any) -> None:
    before = list(value)

    def restore() -> None:
        wanted = [state.now(item) for item in before]
        same = len(value) == len(wanted) and all(
            one is other for one, other in zip(value, wanted, strict=True)
        )
        if not same:
            value.clear()
            value.extend(wanted)

    state.on_restore(restore)
    state.keep_every(before)
    keep_attributes(state, value)


def _keep_numbers(state: Kept, value: Any) -> None:
    before = value[:]

    def restore() -> None:
        value[:] = before

    state.on_restore(restore)


def _keep_set(state: Kept, value: MutableSet) -> None:
    before = set(value)

    def restore() -> None:
        if value != before:
            value.clear()
            for item in before:
                value.add(item)

    state.on_restore(restore)
    state.keep_every(before)
    keep_attributes(state, value)


def _keep_array(state: Kept, value: np.ndarray) -> None:
    if value.dtype.hasobject:
        for item in value.flat:
            state.keep(item)
    if not value.flags.writeable:
        return
    before = value.copy()
    objects = value.dtype.hasobject

    def restore() -> None:
        if objects or before.tobytes() != value.tobytes():
            value[...] = before

    state.on_restore(restore)


def _keep_iterator(state: Kept, value: Any) -> None:
    """One of Python's own that can be copied; its holder gets the copy.

    Generators cannot be copied and stay where they are.
    """
    if type(value).__module__ not in ('builtins', 'itertools'):
        keep_attributes(state, value)
        return
    with warnings.catch_warnings():  # copying is deprecated, in part
        warnings.simplefilter('ignore')
        try:
            _, parts, *place = value.__reduce__()
            kept = copy.copy(value)
        except TypeError:
            return
    inner = [part for part in parts if isinstance(part, Iterator)]
    left = -1 if inner else operator.length_hint(value, -1)

    def restore() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            now = operator.length_hint(value, 0)
            if now != 0 and place and not inner:  # an index into a sequence
                value.__setstate__(*place)
            elif left < 0 or now != left:
                state.replace(value, copy.copy(kept))

    state.on_restore(restore)
    state.keep_every(inner)


def _keep_function(state: Kept, value: types.FunctionType) -> None:
    if is_own(value.__module__):
        state.keep_every(value.__closure__ or ())
        state.keep_every(value.__defaults__ or ())


def _keep_cell(state: Kept, value: types.CellType) -> None:
    """A variable that a function closes over."""
    try:
        before = value.cell_contents
    except ValueError:  # no value yet
        return

    def restore() -> None:
        value.cell_contents = state.now(before)

    state.on_restore(restore)
    state.keep(before)


def _keep_partial(state: Kept, value: functools.partial) -> None:
    state.keep_every((value.func, value.args, value.keywords))


def _keep_method(state: Kept, value: types.MethodType) -> None:
    state.keep_every((value.__self__, value.__func__))


def _keep_tuple(state: Kept, value: tuple | frozenset) -> None:
    state.keep_every(value)


def keeper_of(value: Any) -> Keeper | None:
    """The keeper of a value's kind; of any other object, its attributes."""
    for kinds, keeper in KEEPERS:
        if isinstance(value, kinds):
            return keeper
    return keep_attributes if is_followed(value) else None


def _keep_modules(state: Kept, value: torch.nn.Module) -> None:
    """Modules that an attribute holds without torch's knowing."""
    for name, module in value.named_modules():
        state.keep_module(module, name)


KEEPERS: list[tuple[Any, Keeper]] = [
    (torch.nn.Module, _keep_modules),
    (torch.Tensor, keep_tensor),
    (dict, _keep_dict),
    (set, _keep_set),
    ((list, deque), _keep_sequence),
    ((bytearray, array.array), _keep_numbers),
    ((tuple, frozenset), _keep_tuple),
    (np.ndarray, _keep_array),
    (types.FunctionType, _keep_function),
    (types.MethodType, _keep_method),
    (types.CellType, _keep_cell),
    (functools.partial, _keep_partial),
    (torch.Generator, keep_torch_generator),
    (np.random.Generator, keep_numpy_generator),
    (np.random.RandomState, keep_random_state),
    (random.Random, keep_random),
    (MutableSet, _keep_set),
    (Iterator, _keep_iterator),
]
