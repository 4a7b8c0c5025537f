"""The state of a model, by value, and how it is given back.

State is whatever a forward may change without being asked: parameters,
buffers, hooks, children, and what plain attributes hold, however deep (see
``keepers``). What lies outside of the model is not reached: class attributes,
globals of a module, what hooks close over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .keepers import keeper_of
from .kept import Kept
from .objects import keep_slots
from .restoration import run_all, uncollected
from .tensors import keep_small_tensors, keep_tensor

# Where torch keeps a module's hooks, parameters, buffers and children.
_DICTIONARIES = tuple(
    name
    for name, value in nn.Module().__dict__.items()
    if isinstance(value, dict)
)
_NOT_WALKED = frozenset(_DICTIONARIES)
_HELD = (*_DICTIONARIES, '_non_persistent_buffers_set')
_PLAIN_HOLDERS = frozenset({dict, OrderedDict, set})
_NOTHING_TO_KEEP = (str, int, float, complex, bytes, type(None))
_NUMBERS_AND_TEXT = frozenset({*_NOTHING_TO_KEEP, bool})


class _Module(NamedTuple):
    """A module and what it holds.

    Attributes:
        module (nn.Module): The module.
        kind (type): Its class.
        attributes (dict): A copy of its ``__dict__``.
        held (list): Each dictionary that torch keeps there, and a copy of it.
        empty (list): Dictionaries and sets that torch keeps there, and that
            hold nothing: most of them.
    """

    module: nn.Module
    kind: type
    attributes: dict[str, Any]
    held: list[tuple[dict, dict]]
    empty: list[Any]


class ModelState(Kept):
    """What a model holds now.

    Args:
        model: The model, without wrappers; or any object.
        parameters (bool): Keep the values of parameters as well: a copy of
            each. Without, only a parameter that was replaced is put back.
        copied (callable): Copies a large tensor.

    Example:
        >>> model = nn.BatchNorm2d(2)
        >>> state = ModelState(model)
        >>> _ = model.running_mean.fill_(3.0)
        >>> model.seen = [1]
        >>> state.restore()
        >>> model.running_mean.tolist(), hasattr(model, 'seen')
        ([0.0, 0.0], False)
    """

    def __init__(
        self,
        model: Any,
        parameters: bool = True,
        copied: Callable[[Tensor], Tensor] = torch.clone,
    ) -> None:
        super().__init__(parameters, copied)
        self._modules: list[_Module] = []
        self.on_restore(self._restore_modules)  # after what they hold
        with torch.inference_mode(False), torch.no_grad(), uncollected():
            self.keep(model)
            keep_small_tensors(self)

    def keep(self, value: Any) -> None:
        """Keep what a value holds, if a forward can change it in place."""
        if isinstance(value, _NOTHING_TO_KEEP) or (
            type(value) is tuple
            and _NUMBERS_AND_TEXT.issuperset(map(type, value))
        ):
            return
        # A module is marked as seen once it is kept.
        if isinstance(value, nn.Module) or self.is_new(value):
            keeper = keeper_of(value)
            if keeper is not None:
                keeper(self, value)

    def _restore_modules(self) -> None:
        run_all([
            partial(self._restore_module, kept)
            for kept in reversed(self._modules)
            if not self._is_as_kept(kept)
        ])  # fmt: skip

    def _is_as_kept(self, kept: _Module) -> bool:
        return (
            type(kept.module) is kept.kind
            and not any(kept.empty)
            and self.unchanged(kept.module.__dict__, kept.attributes)
            and all(self.unchanged(now, then) for now, then in kept.held)
        )

    def _restore_module(self, kept: _Module) -> None:
        if type(kept.module) is not kept.kind:
            kept.module.__class__ = kept.kind
        attributes, before = kept.module.__dict__, kept.attributes
        for key in attributes.keys() - before.keys():
            del attributes[key]
        for key, value in before.items():
            value = self.now(value)
            if attributes.get(key, before) is not value:
                attributes[key] = value
        for now, then in kept.held:
            self.give_back(now, then)
        for nothing in kept.empty:
            nothing.clear()

    def keep_module(self, module: nn.Module, name: str = '') -> None:
        """Keep a module's attributes, and what they hold; not its children."""
        if not self.is_new(module):
            return
        before = dict(module.__dict__)
        held: list[tuple[dict, dict]] = []
        empty: list[Any] = []
        for value in map(before.get, _HELD):
            if type(value) in _PLAIN_HOLDERS and not value:
                empty.append(value)
            elif isinstance(value, dict):
                held.append((value, dict(value)))
        kept = _Module(module, type(module), before, held, empty)
        self._modules.append(kept)
        keep_slots(self, module)
        tensors = [
            *(before.get('_parameters') or {}).items(),
            *(before.get('_buffers') or {}).items(),
        ]
        if isinstance(module, torch.jit.ScriptModule):
            tensors += module.named_parameters(recurse=False)
            tensors += module.named_buffers(recurse=False)
        for key, tensor in tensors:
            if tensor is not None and self.is_new(tensor):
                keep_tensor(self, tensor, f'{name}.{key}'.lstrip('.'))
        for key, value in before.items():
            if type(value) in _NUMBERS_AND_TEXT or key in _NOT_WALKED:
                continue
            if type(value) is not set or value or key not in _HELD:
                self.keep(value)
