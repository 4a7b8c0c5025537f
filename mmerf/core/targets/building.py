"""Targets and attributions from what a config says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from .per_image import PerImage


def build(spec: Any, table: Mapping[str, Callable], default: str) -> Any:
    """Make a target or attribution from what a config says.

    Args:
        spec: A ready object, a name in the table, ``dict(type=name, ...)``,
            or None for the default.
        table (mapping): Names to classes.
        default (str): The name that None stands for.

    Raises:
        ConfigError: If the name is unknown or its arguments do not fit.
    """
    if spec is None:
        spec = default
    if isinstance(spec, str):
        spec = {'type': spec}
    if not isinstance(spec, Mapping):
        several = hasattr(spec, 'parts') or hasattr(spec, 'members')
        if not callable(spec) and not several:
            raise ConfigError(
                f'{spec!r:.80} is neither a name, dict(type=...) nor callable'
            )
        return spec
    options = dict(spec)
    name = options.pop('type', None)
    if name not in list(table):
        raise ConfigError(
            f'there is no {name!r:.80}; choose one of '
            f'{", ".join(sorted(table))}'
        )
    try:
        return table[name](**options)
    except TypeError as error:
        raise ConfigError(f'{name}: {error}') from error


def build_target(
    spec: Any,
    table: Mapping[str, Callable],
    default: str = 'CentreUnit',
    relu: bool | None = None,
) -> Any:
    """Make a target, or one an image from a list.

    Args:
        spec: As ``build`` takes it, or a list of those.
        table (mapping): Names to classes.
        default (str): The name that None stands for.
        relu (bool, optional): What an attribution says of the ReLU on the
            output; None where it leaves that to the target.

    Raises:
        ConfigError: If a target cannot be built, or says otherwise.
    """
    if isinstance(spec, (list, tuple)):
        return PerImage([build_target(s, table, default, relu) for s in spec])
    if relu is not None and (spec is None or isinstance(spec, (str, Mapping))):
        named = (
            spec if isinstance(spec, Mapping) else {'type': spec or default}
        )
        spec = {'relu': relu, **named}
    target = build(spec, table, default)
    if relu is not None and getattr(target, 'relu', relu) != relu:
        raise ConfigError(
            f'the target says relu={not relu}, the attribution relu={relu}; '
            'leave it out of one of them'
        )
    return target
