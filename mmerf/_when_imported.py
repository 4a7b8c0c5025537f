"""Do something once a module is imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

Action = Callable[[str], None]


def when_imported(name: str, action: Action) -> None:
    """Call ``action(name)`` when a module has been imported: now, or later.

    Args:
        name (str): Of the module, with its packages.
        action (callable): Called once, with the name, after the module's own
            code has run and before the import statement returns. What it
            raises ends that import.
    """
    if name in sys.modules:
        action(name)
    else:
        sys.meta_path.insert(0, _Awaiting(name, action))


class _Awaiting(MetaPathFinder):
    """Finds one module as the finders after it do, until it is imported."""

    def __init__(self, name: str, action: Action) -> None:
        self._name = name
        self._action = action

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> Any:
        """The next finders' spec of the module; None for every other."""
        finders = list(sys.meta_path)
        if fullname != self._name or self not in finders:
            return None
        for finder in finders[finders.index(self) + 1 :]:
            find = getattr(finder, 'find_spec', None)
            spec = find and find(fullname, path, target)
            if spec:
                if hasattr(spec.loader, 'exec_module'):
                    spec.loader = _Reporting(spec, self._imported)
                return spec
        return None

    def _imported(self) -> None:
        if self in sys.meta_path:  # for the first time
            self._action(self._name)
            # A new list: another thread may be going through the old one.
            sys.meta_path = [f for f in sys.meta_path if f is not self]


class _Reporting:
    """A module's own loader, which reports the module once it has run."""

    def __init__(self, spec: Any, report: Callable[[], None]) -> None:
        self._spec = spec
        self._loader = spec.loader
        self._report = report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module by its own loader, which it keeps, and report it."""
        self._spec.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._report()
