"""The state of a model, by value, and how it is given back.

State is whatever a forward may change without being asked: parameters,
buffers, hooks, children, and what plain attributes hold, however deep (see
``keepers``). What lies outside of the model is not reached: class attributes,
globals of a module, what hooks close over.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .keepers import keeper_of
from .kept import Kept
from .objects import keep_slots
from .tensors import keep_tensor

# Where torch keeps a module's hooks, parameters, buffers and children.
_DICTIONARIES = tuple(
    name
    for name, value in nn.Module().__dict__.items()
    if isinstance(value, dict)
)
_NOTHING_TO_KEEP = (str, int, float, complex, bytes, type(None))


class ModelState(Kept):
    """What a model holds now.

    Args:
        model: The model, without wrappers; or any object.
        parameters (bool): Keep the values of parameters as well: a copy of
            each. Without, only a parameter that was replaced is put back.

    Example:
        >>> model = nn.BatchNorm2d(2)
        >>> state = ModelState(model)
        >>> _ = model.running_mean.fill_(3.0)
        >>> model.seen = [1]
        >>> state.restore()
        >>> model.running_mean.tolist(), hasattr(model, 'seen')
        ([0.0, 0.0], False)
    """

    def __init__(self, model: Any, parameters: bool = True) -> None:
        super().__init__(parameters)
        with torch.inference_mode(False), torch.no_grad():
            self.keep(model)

    def keep(self, value: Any) -> None:
        """Keep what a value holds, if a forward can change it in place."""
        if isinstance(value, _NOTHING_TO_KEEP):
            return
        # A module is marked as seen once it is kept.
        if isinstance(value, nn.Module) or self.is_new(value):
            keeper = keeper_of(value)
            if keeper is not None:
                keeper(self, value)

    def keep_module(self, module: nn.Module, name: str = '') -> None:
        """Keep a module's attributes, and what they hold; not its children."""
        if not self.is_new(module):
            return
        attributes = module.__dict__
        before, kind = dict(attributes), type(module)
        torchs = [before[name] for name in _DICTIONARIES if name in before]
        held = [(d, dict(d)) for d in torchs if isinstance(d, dict)]

        def restore() -> None:
            if type(module) is not kind:
                module.__class__ = kind
            for key in attributes.keys() - before.keys():
                del attributes[key]
            for key, value in before.items():
                value = self.now(value)
                if attributes.get(key, before) is not value:
                    attributes[key] = value
            for now, content in held:
                if now or content:
                    self.give_back(now, content)

        self.on_restore(restore)
        keep_slots(self, module)
        tensors = [
            (key, tensor)
            for group in ('_parameters', '_buffers')
            for key, tensor in (before.get(group) or {}).items()
        ]
        if isinstance(module, torch.jit.ScriptModule):
            tensors += module.named_parameters(recurse=False)
            tensors += module.named_buffers(recurse=False)
        for key, tensor in tensors:
            if tensor is not None and self.is_new(tensor):
                keep_tensor(self, tensor, f'{name}.{key}'.lstrip('.'))
        for key, value in before.items():
            if key not in _DICTIONARIES:
                self.keep(value)
