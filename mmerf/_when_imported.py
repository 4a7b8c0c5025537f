"""Do something once a module is imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
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
        return
    finders = [f for f in sys.meta_path if isinstance(f, _Waiting)]
    if not finders:
        finders = [_Waiting()]
        sys.meta_path[:0] = finders
    finders[0].actions.setdefault(name, action)


class _Waiting(MetaPathFinder):
    """Finds what the other finders find; has the awaited modules reported."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The other finders' spec of an awaited module; None for others."""
        if fullname not in self.actions:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, 'exec_module'):
                    spec.loader = _Reporting(spec.loader, self.actions)
                return spec
        return None


class _Reporting(Loader):
    """A module's own loader, which reports the module once it has run."""

    def __init__(self, loader: Any, actions: dict[str, Action]) -> None:
        self._loader = loader
        self._actions = actions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module that the own loader makes."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module by its own loader, then what waits for it."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        action = self._actions.pop(module.__name__, None)
        if action is not None:
            action(module.__name__)
