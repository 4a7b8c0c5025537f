"""Layers inside TorchScript modules, which cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ..errors import LayerError
from .defaults import OUTPUT


def check_reachable(
    model: nn.Module, modules: Mapping[str, nn.Module], names: Iterable[str]
) -> None:
    """Raise LayerError if every one of these layers is inside TorchScript.

    A scripted or traced module runs its parts in TorchScript's interpreter,
    past their Python calls: only what it returns itself can be read.

    Args:
        model (nn.Module): The model.
        modules (mapping of str to nn.Module): All of its modules by name.
        names (iterable of str): The layers that one request matches.
    """
    around = {
        name: _script_around(modules, name) for name in names if name != OUTPUT
    }
    if not around:
        return
    if isinstance(model, torch.jit.ScriptModule):
        raise LayerError(
            f'{next(iter(around))!r} is inside a TorchScript model, whose '
            "layers cannot be read; give the eager model, or name '.', what "
            'the model itself returns'
        )
    if None not in around.values():
        name, outer = next(iter(around.items()))
        raise LayerError(
            f'{name!r} is inside the TorchScript module {outer!r}, whose '
            f'layers cannot be read; name {outer!r} itself, or give the '
            'eager module in its place'
        )


def _script_around(modules: Mapping[str, nn.Module], name: str) -> str | None:
    """The outermost TorchScript module that a module is inside of."""
    parts = name.split('.')
    for end in range(1, len(parts)):
        outer = '.'.join(parts[:end])
        if isinstance(modules.get(outer), torch.jit.ScriptModule):
            return outer
    return None
