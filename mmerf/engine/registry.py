"""Registries for a user's own targets, attributions and statistics.

A class registered here can be named in a config as mmerf's own are. Import
its module first: list it in the config's ``custom_imports``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.registry import Registry

from ..core.attributions import ATTRIBUTIONS
from ..core.errors import ConfigError
from ..core.statistics import add_statistics
from ..core.targets import TARGETS

# Without a location, mmengine would import all of mmseg at the first look-up.
_LOCATIONS = ['mmerf.engine']

ERF_TARGETS = Registry('target', scope='mmseg', locations=_LOCATIONS)
"""Classes derived from :class:`mmerf.core.targets.Target`."""
ERF_ATTRIBUTIONS = Registry('attribution', scope='mmseg', locations=_LOCATIONS)
"""Classes derived from :class:`mmerf.core.attributions.Attribution`."""
ERF_STATISTICS = Registry('statistic', scope='mmseg', locations=_LOCATIONS)
"""Classes derived from :class:`mmerf.core.statistics.Statistic`."""

_BUILT_IN: dict[Registry, Mapping[str, type]] = {
    ERF_TARGETS: TARGETS,
    ERF_ATTRIBUTIONS: ATTRIBUTIONS,
}


def resolve_registered(spec: Any, registry: Registry) -> Any:
    """Replace registered names by their classes.

    Args:
        spec: What a config gives as target or attribution: a name,
            ``dict(type=name, ...)``, or a list of those. Anything else (an
            object, a class, an import path, None) stays as it is, and so do
            the names of mmerf's own.
        registry (Registry): ``ERF_TARGETS`` or ``ERF_ATTRIBUTIONS``.

    Returns:
        The same with ``dict(type=class, ...)`` for registered names.

    Raises:
        ConfigError: If a name is neither registered nor mmerf's own, or is
            both.

    Examples:
        >>> from mmerf.core.targets import Target
        >>> @ERF_TARGETS.register_module()
        ... class Corner(Target):
        ...     pass
        >>> resolve_registered(dict(type='Corner'), ERF_TARGETS)['type']
        <class 'mmerf.engine.registry.Corner'>
        >>> resolve_registered('CentreUnit', ERF_TARGETS)
        'CentreUnit'
        >>> _ = ERF_TARGETS.module_dict.pop('Corner')
    """
    if isinstance(spec, (list, tuple)):
        return [resolve_registered(one, registry) for one in spec]
    if isinstance(spec, str):
        found = _class_of(spec, registry)
        return spec if found is None else {'type': found}
    if isinstance(spec, Mapping):
        found = _class_of(spec.get('type'), registry)
        return spec if found is None else {**spec, 'type': found}
    return spec


def use_statistics(specs: Iterable[Any] | None) -> None:
    """Add a user's own statistics for the rest of this process.

    Args:
        specs (iterable, optional): Registered names, import paths, classes
            or objects; see :func:`mmerf.core.statistics.add_statistics`.

    Raises:
        ConfigError: If one is no statistic, or has the name of another.
    """
    specs = [specs] if isinstance(specs, str) else specs or ()
    add_statistics(map(_registered_statistic, specs))


def _registered_statistic(spec: Any) -> Any:
    """The class registered by a name; an import path as it is."""
    if not isinstance(spec, str) or '.' in spec:
        return spec
    registered = ERF_STATISTICS.module_dict
    if spec not in registered:
        known = ', '.join(sorted(registered)) or 'none'
        raise ConfigError(
            f'unknown statistic {spec!r:.80}; registered: {known}; or give '
            "an import path, 'my_pkg.MyStatistic'"
        )
    return registered[spec]


def _class_of(name: Any, registry: Registry) -> type | None:
    """The class registered by a name; None for what core finds itself."""
    if not isinstance(name, str):
        return None
    built_in = _BUILT_IN[registry]
    plain = name.removeprefix(f'{registry.scope}.')
    found = registry.module_dict.get(plain)
    if found is not None and plain in built_in:
        raise ConfigError(
            f'the {registry.name} {plain!r} is one of mmerf, and also '
            'registered; register yours by another name'
        )
    if found is None and name not in built_in and '.' not in name.strip('.'):
        known = ', '.join(sorted({*built_in, *registry.module_dict}))
        raise ConfigError(
            f'unknown {registry.name} {name!r:.80}; the known ones are '
            f'{known}; for your own give its import path, or register it in '
            'a module that custom_imports names'
        )
    return found
