"""Builds a torch module of any package from its import path."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from torch import nn

from ...core.errors import ConfigError, one_line
from ...core.import_path import find_object, nearest_names

# Arguments by which constructors fetch weights.
_WEIGHT_ARGUMENTS = (
    'encoder_weights',
    'weights',
    'weights_backbone',
    'pretrained',
)


def build_module(module: nn.Module | Mapping) -> nn.Module:
    """Build a module of any package.

    Args:
        module: ``dict(type='package.module.Name', **arguments)``, where the
            name is a class or a function that returns a module; or a module,
            which is returned as it is.

    Returns:
        nn.Module: As its constructor made it.

    Raises:
        ConfigError: If the path names nothing, with the nearest name; if the
            arguments do not fit; if the result is no module.

    Example:
        >>> build_module(dict(type='torch.nn.Conv2d', in_channels=3,
        ...                   out_channels=2, kernel_size=1))
        Conv2d(3, 2, kernel_size=(1, 1), stride=(1, 1))
    """
    if isinstance(module, nn.Module):
        return module
    if not isinstance(module, Mapping) or 'type' not in module:
        raise ConfigError(
            "module is dict(type='package.Name', ...) or a torch module, not "
            f'{module!r}'
        )
    arguments = _plain_containers(module)
    path = arguments.pop('type')
    built = build_object(path, arguments)
    if not isinstance(built, nn.Module):
        raise ConfigError(
            f'{path} gives a {type(built).__name__}, not a torch module'
        )
    return built


def build_object(path: Any, arguments: dict) -> Any:
    """What a class or function gives.

    Args:
        path (str or callable): Its import path, or itself.
        arguments (dict): By name.

    Raises:
        ConfigError: If the path names nothing, with the nearest name, or the
            arguments do not fit.
    """
    factory = path if callable(path) else find_object(path)
    if not callable(factory):
        raise ConfigError(f'{path} is no class or function to call')
    _check_arguments(path, factory, arguments)
    try:
        return factory(**arguments)
    except Exception as error:  # whatever a user's constructor raises
        raise ConfigError(
            f'{path} could not be built: {type(error).__name__}: '
            f'{one_line(error)}'
        ) from error


def without_fetching(module: Any) -> Any:
    """The same config of a module, with arguments that fetch no weights.

    Sets the arguments by which segmentation_models_pytorch, torchvision and
    timm fetch weights, defaults included. The path of an existing file, and a
    value that cannot name weights (numbers, lists), stay.
    """
    if not isinstance(module, Mapping) or 'type' not in module:
        return module
    path = module['type']
    known = _parameters(path if callable(path) else find_object(path))
    changed = dict(module)
    for name in _WEIGHT_ARGUMENTS:
        default = known[name].default if name in known else None
        if _may_fetch(module.get(name, default)):
            changed[name] = False if name == 'pretrained' else None
    return changed


def _may_fetch(value: Any) -> bool:
    """Whether a value names weights that are no file here."""
    if isinstance(value, str):
        return not os.path.isfile(value)
    return value is True or isinstance(value, Enum)


def _check_arguments(path: Any, factory: Callable, arguments: dict) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some compiled ones have none
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        text = f'{one_line(error)}; it takes {signature}'
        takes = signature.parameters.values()
        unknown = [n for n in arguments if n not in signature.parameters]
        if unknown and not any(p.kind == p.VAR_KEYWORD for p in takes):
            near = nearest_names(unknown[0], signature.parameters)
            text = f'it has no {unknown[0]}{near or f"; it takes {signature}"}'
        raise ConfigError(
            f'the arguments do not fit {path}: {text}'
        ) from error


def _parameters(factory: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}


def _plain_containers(value: Any) -> Any:
    """Config dicts and lists as plain ones: constructors check types."""
    if isinstance(value, Mapping):
        return {key: _plain_containers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain_containers(item) for item in value)
    return value
