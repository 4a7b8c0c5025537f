"""A private copy of a model, for runs that must not touch the model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from ..errors import ModelError, one_line


def private_copy(model: nn.Module) -> nn.Module:
    """A copy that runs modules of its own alone; float64, or else float32.

    Weights that are exactly zero, as in a residual branch that starts
    switched off, get random values: they are part of the structure.

    Raises:
        ModelError: If the model cannot be copied.
    """
    try:
        found = copy.deepcopy(model)
    except Exception as error:  # a module's own copying code
        raise ModelError(
            f'the model cannot be copied: {one_line(error, 120)}'
        ) from error
    modules = dict(found.named_modules())
    _bind_functions(
        {
            id(module): modules[name]
            for name, module in model.named_modules()
            if name in modules
        }
    )
    wide = any(p.dtype == torch.float64 for p in found.parameters())
    return _without_zeros(found.double() if wide else found.float())


def _bind_functions(copies: Mapping[int, nn.Module]) -> None:
    """Let functions that a module keeps reach the copies of modules.

    ``copy.deepcopy`` keeps functions as they are. One that closes over a
    module, as mmengine's activation checkpointing makes of a ``forward``,
    would go on running the original.
    """
    for module in copies.values():
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType):
                module.__dict__[name] = _rebound(value, copies)
            elif isinstance(value, dict) and name.endswith('_hooks'):
                for key, hook in value.items():
                    value[key] = _rebound(hook, copies)


def _rebound(
    value: Any, copies: Mapping[int, nn.Module], depth: int = 0
) -> Any:
    """A value with copies in place of the modules that it refers to."""
    if depth > _DEEPEST_COPY:  # such as a function that closes over itself
        return value
    if isinstance(value, nn.Module):
        return copies.get(id(value), value)
    if isinstance(value, MethodType):
        owner = _rebound(value.__self__, copies, depth + 1)
        if owner is value.__self__:
            return value
        return MethodType(value.__func__, owner)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        items = [_rebound(item, copies, depth + 1) for item in value]
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if not isinstance(value, FunctionType) or not value.__closure__:
        return value
    inside = [_content(cell) for cell in value.__closure__]
    cells = [
        cell if item is _EMPTY else _closure_cell(cell, item, copies, depth)
        for cell, item in zip(value.__closure__, inside, strict=True)
    ]
    if all(a is b for a, b in zip(cells, value.__closure__, strict=True)):
        return value
    made = FunctionType(
        value.__code__,
        value.__globals__,
        value.__name__,
        value.__defaults__,
        tuple(cells),
    )
    made.__kwdefaults__ = value.__kwdefaults__
    made.__dict__.update(value.__dict__)
    return made


_EMPTY = object()
_DEEPEST_COPY = 8  # functions inside functions


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return _EMPTY


def _closure_cell(
    cell: CellType, item: Any, copies: Mapping[int, nn.Module], depth: int
) -> CellType:
    found = _rebound(item, copies, depth + 1)
    return cell if found is item else CellType(found)


def _without_zeros(model: nn.Module) -> nn.Module:
    """Replace zeros among the weights by random values of the others' size."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point():
                continue
            zero = parameter == 0
            if not zero.any():
                continue
            noise = torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
            scale = float(parameter.square().mean().sqrt()) or 0.5
            fill = (noise * scale).to(parameter)
            parameter.copy_(torch.where(zero, fill, parameter))
    return model
