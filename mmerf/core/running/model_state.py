"""The state of a model, by value, and how it is given back.

State is whatever a forward may change without being asked: buffers, plain
attributes, what lists, dictionaries, arrays and tensors among them hold,
generators of random numbers, hooks and children. torch's lazy modules are made
lazy again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, MutableSet
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# Where torch keeps a module's hooks, parameters, buffers and children.
_DICTIONARIES = tuple(
    name
    for name, value in nn.Module().__dict__.items()
    if isinstance(value, dict)
)
Restore = Callable[[], None]


class ModelState:
    """What a model holds now.

    Args:
        model (nn.Module): The model, without wrappers.

    Example:
        >>> model = nn.BatchNorm2d(2)
        >>> state = ModelState(model)
        >>> _ = model.running_mean.fill_(3.0)
        >>> model.seen = [1]
        >>> state.restore()
        >>> model.running_mean.tolist(), hasattr(model, 'seen')
        ([0.0, 0.0], False)
    """

    def __init__(self, model: nn.Module) -> None:
        self._restores: list[Restore] = []
        self._seen: dict[int, Any] = {}  # keeps what was seen alive
        for module in model.modules():
            self._keep_module(module)

    def restore(self) -> None:
        """Give everything back.

        Every part is given back whatever the others raise; the first error is
        raised afterwards.
        """
        run_all(self._restores)

    def _keep_module(self, module: nn.Module) -> None:
        attributes = module.__dict__
        before, kind = dict(attributes), type(module)
        self._seen[id(module)] = module
        torchs = [before[name] for name in _DICTIONARIES if name in before]
        held = [(d, dict(d)) for d in torchs if isinstance(d, dict)]

        def restore() -> None:
            if type(module) is not kind:
                module.__class__ = kind
            for name in attributes.keys() - before.keys():
                del attributes[name]
            for name, value in before.items():
                if attributes.get(name, before) is not value:
                    attributes[name] = value
            for now, content in held:
                if now or content:
                    _give_back(now, content)

        self._restores.append(restore)
        for name, value in before.items():
            if name in ('_parameters', '_buffers'):
                for tensor in value.values():
                    self._keep(tensor)
            elif name not in _DICTIONARIES:
                self._keep(value)
        if isinstance(module, torch.jit.ScriptModule):
            for buffer in module.buffers(recurse=False):
                self._keep(buffer)

    def _keep(self, value: Any) -> None:
        """Keep what a value holds, if a forward can change it in place."""
        if id(value) in self._seen or isinstance(value, (str, int, float)):
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            with suppress(RuntimeError, NotImplementedError):  # of odd kinds
                self._keep_tensor(value)
        elif isinstance(value, dict):
            self._keep_dict(value)
        elif isinstance(value, (list, deque)):
            self._keep_sequence(value)
        elif isinstance(value, (set, MutableSet)):
            self._keep_set(value)
        elif isinstance(value, tuple):
            for item in value:
                self._keep(item)
        elif isinstance(value, np.ndarray):
            self._keep_array(value)
        else:
            self._keep_generator(value)

    def _keep_dict(self, value: dict) -> None:
        before = dict(value)
        self._restores.append(lambda: _give_back(value, before))
        for item in list(dict.values(value)):  # no dict's own code
            self._keep(item)

    def _keep_sequence(self, value: list | deque) -> None:
        before = list(value)

        def restore() -> None:
            same = len(value) == len(before) and all(
                one is other for one, other in zip(value, before, strict=True)
            )
            if not same:
                value.clear()
                value.extend(before)

        self._restores.append(restore)
        for item in before:
            self._keep(item)

    def _keep_set(self, value: MutableSet) -> None:
        before = set(value)

        def restore() -> None:
            if value != before:
                value.clear()
                for item in before:
                    value.add(item)

        self._restores.append(restore)

    def _keep_array(self, value: np.ndarray) -> None:
        if value.dtype.hasobject or not value.flags.writeable:
            return
        before = value.copy()

        def restore() -> None:
            if before.tobytes() != value.tobytes():
                value[...] = before

        self._restores.append(restore)

    def _keep_generator(self, value: Any) -> None:
        """Generators of random numbers, of torch, NumPy and Python."""
        if isinstance(value, torch.Generator):
            state = value.get_state()
            self._restores.append(lambda: _call(value.set_state, state))
        elif isinstance(value, np.random.Generator):
            bits = value.bit_generator
            kept = bits.state
            self._restores.append(lambda: setattr(bits, 'state', kept))
        elif isinstance(value, np.random.RandomState):
            words = value.get_state()
            self._restores.append(lambda: value.set_state(words))
        elif isinstance(value, random.Random):
            drawn = value.getstate()
            self._restores.append(lambda: value.setstate(drawn))

    def _keep_tensor(self, value: Tensor) -> None:
        if is_lazy(value):
            self._keep_lazy(value)
            return
        plain = value.layout is torch.strided and value.device.type != 'meta'
        if isinstance(value, nn.Parameter) or not plain:
            return
        version = 0 if value.is_inference() else value._version
        place = value.detach()
        content = place.clone()

        def restore() -> None:
            # Out of inference mode, inference tensors cannot be written to.
            with torch.inference_mode(value.is_inference()), torch.no_grad():
                moved = (
                    value.data_ptr() != place.data_ptr()
                    or value.shape != place.shape
                    or value.stride() != place.stride()
                )
                if moved:
                    value.data = place
                written = not value.is_inference() and (
                    value._version != version
                )
                if written or not torch.equal(value, content):
                    value.copy_(content)

        self._restores.append(restore)

    def _keep_lazy(self, value: Any) -> None:
        kind = type(value)

        def restore() -> None:
            if type(value) is not kind:
                value.data = torch.empty(0, device=value.device)
                value.__class__ = kind

        self._restores.append(restore)


def _give_back(value: dict, before: dict) -> None:
    """Give a dictionary its earlier keys and values, in their order."""
    same = len(value) == len(before) and all(
        one is other and dict.__getitem__(value, one) is before[other]
        for one, other in zip(value, before, strict=True)
    )
    if not same:
        value.clear()
        value.update(before)


def _call(method: Callable[[Any], Any], value: Any) -> None:
    method(value)


def run_all(callbacks: list[Restore]) -> None:
    """Run every callback, the last first, whatever the others raise.

    Each can be run again: one that is interrupted is. The first exception is
    raised once all have run.
    """
    failure: BaseException | None = None
    pending = list(callbacks)
    while pending:
        try:
            while pending:
                pending[-1]()
                pending.pop()
        except Exception as error:
            failure = failure or error
            pending.pop()
        except BaseException as error:  # Ctrl-C: this one once more
            failure = error
    if failure is not None:
        raise failure
