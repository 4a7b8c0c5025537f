"""Exports of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any


def exported(
    package: str,
    modules: Mapping[str, str],
    importing: Callable[[], AbstractContextManager] = nullcontext,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    Args:
        package (str): Its ``__name__``.
        modules (mapping of str to str): Names, and the module inside the
            package that each is imported from, such as ``'.erf'``; a module
            itself where the name is the module's own.
        importing (callable): Makes the context in which they are imported.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(
                f'module {package!r} has no attribute {name!r}'
            )
        with importing():
            value: Any = import_module(modules[name], package)
            if modules[name] != f'.{name}':
                value = getattr(value, name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        module = vars(sys.modules[package])
        return sorted({*module, *module['__all__']})

    return get, names
