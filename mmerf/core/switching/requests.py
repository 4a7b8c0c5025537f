"""Which modules are to be switched off, as users name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import nn

from ..errors import ConfigError
from ..layers.defaults import OUTPUT
from ..layers.names import Layer, find_layers, shorten

WAYS = ('zero', 'identity')


@dataclass(frozen=True)
class Switch:
    """A module that is to be switched off.

    Attributes:
        name (str): As ``model.named_modules()`` prints it.
        module (nn.Module): The module itself.
        stated (str, optional): The way that the user states; None leaves it
            to what a forward shows.
        optional (bool): Whether a glob matched it: it is passed over if it
            does not run.
    """

    name: str
    module: nn.Module
    stated: str | None = None
    optional: bool = False


def find_switches(
    model: nn.Module, without: Iterable[str] | None
) -> list[Switch]:
    """Resolve the modules that are to be switched off.

    Args:
        model (nn.Module): The model, without wrappers.
        without (iterable of str, optional): Module names or globs, each with
            ``=zero`` or ``=identity`` behind it to state the way. A list of
            modules stands for those in it.

    Returns:
        list[Switch]: In the order of the requests, without repeats; a stated
        way goes before none.

    Raises:
        ConfigError: If a request is malformed, or states another way than
            one before it.
        LayerError: If a name matches no module.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1))
        >>> [(s.name, s.stated) for s in find_switches(net, ['1=zero'])]
        [('1', 'zero')]
    """
    found: dict[str, Switch] = {}
    for text in without or ():
        name, stated = _split_way(text)
        for layer in find_layers(model, [name]):
            _check_whole_module(layer, text)
            switch = Switch(layer.name, layer.module, stated, layer.optional)
            found[layer.name] = _merged(found.get(layer.name), switch)
    return list(found.values())


def _split_way(text: object) -> tuple[str, str | None]:
    if not isinstance(text, str):
        raise ConfigError(
            f'a module to switch off is a name, not {shorten(text)}; for '
            "example 'decode_head.aspp_modules.2'"
        )
    name, sign, way = text.rpartition('=')
    if not sign:
        return text, None
    if way not in WAYS:
        raise ConfigError(
            f'{shorten(text)}: a module is switched off as NAME, NAME=zero '
            'or NAME=identity'
        )
    return name, way


def _check_whole_module(layer: Layer, text: str) -> None:
    if layer.name == OUTPUT:
        raise ConfigError(
            f'{shorten(text)} is the whole model; name a module inside it'
        )
    if layer.indices or layer.call is not None:
        raise ConfigError(
            f'{shorten(text)} names a part of what a module returns; a module '
            f'is switched off as a whole: {layer.name}'
        )


def _merged(before: Switch | None, now: Switch) -> Switch:
    """One switch of two for the same module."""
    if before is None:
        return now
    if before.stated and now.stated and before.stated != now.stated:
        raise ConfigError(
            f'{now.name} is switched off as {before.stated} and as '
            f'{now.stated}; state one of them'
        )
    return replace(
        now,
        stated=before.stated or now.stated,
        optional=before.optional and now.optional,
    )
