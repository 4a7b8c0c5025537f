"""Build targets and attributions from names, import paths and dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .attributions.base import Attribution
from .attributions.table import ATTRIBUTIONS
from .errors import ConfigError
from .import_path import find_object
from .targets import TARGETS, ClassRegion, PerImage, Target

Built = TypeVar('Built')


def build_target_and_attribution(
    target: Any, attribution: Any, by_class: str | None = None
) -> tuple[Target, Attribution]:
    """Build a target and an attribution that fit together.

    The attribution may have its own default target (Grad-CAM), and may
    determine whether outputs pass a ReLU (the published definitions).

    Args:
        target: A target, its name, its import path, ``dict(type=...)``, a
            list of those with one per image, or None.
        attribution: An attribution, its name, its import path,
            ``dict(type=...)``, or None.
        by_class (str, optional): ``'prediction'`` or ``'label'``, where
            contributions are shared out over classes: the target is a
            ClassRegion, by default one of every class's largest component.

    Returns:
        tuple[Target, Attribution]: Both, built.

    Raises:
        ConfigError: If one does not exist, they disagree on the ReLU, or
            they do not go with ``by_class``.

    Example:
        >>> build_target_and_attribution(None, 'MambaIR')[0].relu
        False
    """
    built = build_attribution(attribution)
    if target is None:
        target = built.default_target
    if by_class is None:
        return build_target(target, built.relu), built
    region = 'prediction' if by_class == 'prediction' else 'ground_truth'
    if target is None:
        target = {'type': 'ClassRegion', 'component': 'largest'}
    elif target == 'ClassRegion':
        target = {'type': 'ClassRegion'}
    if isinstance(target, Mapping) and target.get('type') == 'ClassRegion':
        target = {'region': region, **target}
    scored = build_target(target, built.relu)
    _check_by_class(by_class, region, scored, built)
    return scored, built


def _check_by_class(
    by_class: str, region: str, target: Target, attribution: Attribution
) -> None:
    if attribution.kind != 'erf':
        raise ConfigError(
            'by_class shares out contributions of input pixels, which '
            f'{type(attribution).__name__} does not give; leave one out'
        )
    if not isinstance(target, ClassRegion):
        raise ConfigError(
            'by_class needs a target of classes, not '
            f'{type(target).__name__}; leave the target out, or use '
            'class=NAME,... (ClassRegion)'
        )
    if target.region != region:
        raise ConfigError(
            f"by_class='{by_class}' needs a target with region='{region}', "
            f"not '{target.region}'; state that region, or give none "
            'in a name or dict'
        )


def build_attribution(spec: Any) -> Attribution:
    """Build an attribution; None stands for ``InputGradient``.

    Args:
        spec: An attribution, its name, its import path, ``dict(type=...)``,
            or None.

    Raises:
        ConfigError: If there is none of that name, its arguments do not fit,
            or ``spec`` is something else.
    """
    spec = 'InputGradient' if spec is None else spec
    return _build(spec, 'attribution', Attribution, ATTRIBUTIONS)


def build_target(spec: Any, relu: bool | None = None) -> Target:
    """Build a target; None stands for ``CentreUnit``.

    Args:
        spec: A target, its name, its import path, ``dict(type=...)``, or a
            list of those, one for each image of a batch.
        relu (bool, optional): Whether the attribution has outputs pass a
            ReLU; None if it leaves that to the target.

    Raises:
        ConfigError: If there is no such target, its arguments do not fit,
            ``spec`` is something else, or the target's ``relu`` differs.
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
    """Build from a name, an import path or a dict; check an object's class."""
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
            'a function alone does not determine the unit of its map; '
            "write dict(type='Function', function=..., y=3, x=3), or derive "
            f'a class from {name}'
        )
    return (
        f'{spec!r:.80} is no {what}; give a name, an import path, '
        f'dict(type=...) or an object of a class derived from {name}'
    )
