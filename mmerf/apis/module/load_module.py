"""A network from an import path, an ONNX file, or a pickled module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...core.errors import CheckpointError, ConfigError, one_line
from ...engine.segmentors.build_module import (
    build_module,
    build_object,
    without_fetching,
)

FILES = ('.onnx', '.pt', '.pth', '.torchscript', '.jit', '.pkl')
_KEYS = ('ema', 'model')  # where ultralytics keeps a module


def load_module(
    module: Mapping, trust: bool = False
) -> tuple[nn.Module, list[str]]:
    """The network that a config's ``module`` stands for.

    Args:
        module (mapping): ``dict(type=..., **arguments)``: an import path, a
            function, or a file.
        trust (bool): Load a file that may run code: TorchScript, a pickle.

    Returns:
        tuple[nn.Module, list[str]]: The network, and notes on it.

    Raises:
        ConfigError: If there is no such class or file, its arguments do not
            fit, or it gives no network.
        CheckpointError: If a file has to be trusted, or is damaged.
    """
    source: Any = module.get('type')
    if not is_file(source):
        built = {k: _constructed(v) for k, v in module.items()}
        return build_module(built), []
    if len(module) > 1:
        raise ConfigError(
            f'{source} is a file and takes no module options; leave them out'
        )
    path = os.fspath(source)
    if not os.path.isfile(path):
        raise ConfigError(f'there is no file {one_line(path)}')
    if path.lower().endswith('.onnx'):
        return _from_onnx(path), []
    return _from_pickle(path, trust)


def without_downloads(module: Mapping) -> tuple[dict, list[str]]:
    """The same ``module``, with arguments that fetch nothing; and notes.

    Arguments with a ``type`` of their own are changed likewise; what comes
    ``from_pretrained`` has to lie in local files.
    """
    source = module.get('type')
    if is_file(source):
        return dict(module), []
    changed: dict = dict(without_fetching(dict(module)))
    if isinstance(source, str) and source.endswith('.from_pretrained'):
        changed.setdefault('local_files_only', True)
    notes = [
        f'{name}={value!r} instead of '
        + (repr(module[name]) if name in module else 'its default')
        + ': nothing is downloaded'
        for name, value in changed.items()
        if name not in module or module[name] is not value
    ]
    for name, value in changed.items():
        path = value.get('type') if isinstance(value, Mapping) else None
        if isinstance(path, str) and '.' in path:
            changed[name], inside = without_downloads(value)
            notes += [f'{name}: {note}' for note in inside]
    return changed, notes


def is_file(source: Any) -> bool:
    """Whether a module is named by a file and not by an import path."""
    if isinstance(source, Path):
        return True
    return isinstance(source, str) and (
        source.lower().endswith(FILES) or os.path.isfile(source)
    )


def describe_module(module: Mapping) -> str:
    """A module and its arguments as a call, for records and notes.

    Example:
        >>> describe_module(dict(type='timm.create_model', model_name='vit'))
        "timm.create_model(model_name='vit')"
    """
    source = module['type']
    name = source if isinstance(source, str) else _factory_name(source)
    arguments = [f'{k}={v!r}' for k, v in module.items() if k != 'type']
    return f'{name}({", ".join(arguments)})' if arguments else name


def _factory_name(source: Any) -> str:
    return getattr(source, '__qualname__', None) or str(source)


def _constructed(value: Any) -> Any:
    """An argument; one with a ``type`` of its own is built by its path."""
    if isinstance(value, Mapping):
        inside = {k: _constructed(v) for k, v in value.items()}
        path = inside.get('type')
        if isinstance(path, str) and '.' in path:
            return build_object(inside.pop('type'), inside)
        return inside
    return value


def _from_onnx(path: str) -> nn.Module:
    try:
        import onnx2torch
    except ImportError as error:
        raise ConfigError(
            f'{path} is read by onnx2torch, which could not be imported '
            f'({one_line(error)}); pip install onnx2torch'
        ) from error
    try:
        return onnx2torch.convert(path)
    except Exception as error:  # operators that it does not know, damage
        raise ConfigError(
            f'onnx2torch cannot convert {path}: {type(error).__name__}: '
            f'{one_line(error)}'
        ) from error


def _from_pickle(path: str, trust: bool) -> tuple[nn.Module, list[str]]:
    if not trust:
        raise CheckpointError(
            f'{path} holds a whole module, and loading it can run code; if '
            'you trust whoever made it, pass --trust-checkpoint '
            '(trust_checkpoint=True)'
        )
    errors = []
    for load in (_load_script, _load_pickle):
        try:
            found, notes = load(path)
        except Exception as error:  # of the other kind, or damaged
            errors.append(f'{type(error).__name__}: {one_line(error, 160)}')
            continue
        if isinstance(found, nn.Module):
            return _in_float32(found, notes)
        raise ConfigError(
            f'{path} holds no module but {_contents(found)}; weights go with '
            '--checkpoint, their network with --module package.Name'
        )
    raise CheckpointError(
        f'{path} could not be loaded as TorchScript ({errors[0]}) or as a '
        f'pickled module ({errors[1]})'
    )


def _in_float32(
    model: nn.Module, notes: list[str]
) -> tuple[nn.Module, list[str]]:
    kinds = {p.dtype for p in model.parameters()}
    if kinds & {torch.float16, torch.bfloat16}:
        notes = [*notes, 'its half-precision weights are measured in float32']
        model = model.float()
    return model, notes


def _load_script(path: str) -> tuple[Any, list[str]]:
    note = (
        'TorchScript: what its inner modules return cannot be read, only the '
        "model's own output ('.')"
    )
    return torch.jit.load(path, map_location='cpu'), [note]


def _load_pickle(path: str) -> tuple[Any, list[str]]:
    found = torch.load(path, map_location='cpu', weights_only=False)
    if isinstance(found, Mapping):
        for key in _KEYS:
            if isinstance(found.get(key), nn.Module):
                return found[key], [f'the module is {key!r} of the file']
    return found, []


def _contents(found: Any) -> str:
    if isinstance(found, Mapping):
        return f'a dict with {", ".join(map(repr, list(found)[:5]))}'
    return f'a {type(found).__name__}'
