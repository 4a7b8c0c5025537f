"""Targets and attributions from what a config or a caller gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .attributions.base import Attribution
from .attributions.table import ATTRIBUTIONS
from .errors import ConfigError
from .import_path import find_object
from .targets import TARGETS, PerImage, Target

Built = TypeVar('Built')


def build_question(
    target: Any, attribution: Any
) -> tuple[Target, Attribution]:
    """Make a target and an attribution that fit together.

    The attribution may bring its own default target (Grad-CAM), and may say
    whether outputs pass a ReLU (the published definitions).

    Args:
        target: A target, its name, its import path, ``dict(type=...)``, a
            list of those with one per image, or None.
        attribution: Likewise, but no list.

    Returns:
        tuple: Both, built.

    Raises:
        ConfigError: If one does not exist, or they contradict each other.

    Example:
        >>> build_question(None, 'MambaIR')[0].relu
        False
    """
    how = build_attribution(attribution)
    if target is None:
        target = how.default_target
    return build_target(target, how.relu), how


def build_attribution(spec: Any) -> Attribution:
    """Make an attribution; None stands for ``InputGradient``.

    Raises:
        ConfigError: If there is none of that name, its arguments do not fit,
            or what is given is no attribution.
    """
    spec = 'InputGradient' if spec is None else spec
    return _build(spec, 'attribution', Attribution, ATTRIBUTIONS)


def build_target(spec: Any, relu: bool | None = None) -> Target:
    """Make a target; None stands for ``CentreUnit``.

    Args:
        spec: A target, its name, its import path, ``dict(type=...)``, or a
            list of those, one for each image of a batch.
        relu (bool, optional): What an attribution says of the ReLU on the
            output; None where it leaves that to the target.

    Raises:
        ConfigError: If a target cannot be built or is none, or contradicts
            ``relu``.
    """
    if isinstance(spec, (list, tuple)):
        return PerImage([build_target(one, relu) for one in spec])
    spec = 'CentreUnit' if spec is None else spec
    if relu is not None and isinstance(spec, (str, Mapping)):
        named = spec if isinstance(spec, Mapping) else {'type': spec}
        spec = {'relu': relu, **named}
    target = _build(spec, 'target', Target, TARGETS)
    if relu is not None and target.relu not in (None, relu):
        raise ConfigError(
            f'the target says relu={not relu}, the attribution relu={relu}; '
            'leave it out of one of them'
        )
    return target


def _build(
    spec: Any,
    what: str,
    base: type[Built],
    table: Mapping[str, Callable[..., Any]],
) -> Built:
    """Build what a name, an import path or a dict says; check an object."""
    if isinstance(spec, str):
        spec = {'type': spec}
    if isinstance(spec, Mapping):
        options = dict(spec)
        name = options.pop('type', None)
        spec = _construct(name, _find(name, what, table), options)
    if not isinstance(spec, base):
        raise ConfigError(_not_a(spec, what, base))
    return spec


def _find(
    name: Any, what: str, table: Mapping[str, Callable[..., Any]]
) -> Callable[..., Any]:
    if callable(name):
        return name
    if name in list(table):
        return table[name]
    if isinstance(name, str) and '.' in name.strip('.'):
        return find_object(name)
    raise ConfigError(
        f'unknown {what} {name!r:.80}; the known ones are '
        f'{", ".join(sorted(table))}, or give an import path, '
        f"'my_package.My{what.capitalize()}'"
    )


def _construct(name: Any, factory: Any, options: dict) -> Any:
    if not callable(factory):
        raise ConfigError(f'{name} is no class or function to call')
    try:
        return factory(**options)
    except TypeError as error:
        raise ConfigError(f'{name}: {error}') from error


def _not_a(spec: Any, what: str, base: type) -> str:
    name = f'mmerf.{base.__name__}'
    if callable(spec) and what == 'target' and not isinstance(spec, type):
        return (
            'a function alone does not say at which unit its map is centred; '
            "write dict(type='Function', function=..., y=3, x=3), or derive "
            f'a class from {name}'
        )
    return (
        f'{spec!r:.80} is no {what}; give a name, an import path, '
        f'dict(type=...) or an object of a class derived from {name}'
    )
