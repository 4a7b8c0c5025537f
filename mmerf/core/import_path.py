"""From an import path to an object; errors name what is missing."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from types import ModuleType
from typing import Any

from .errors import ConfigError, one_line


def find_object(path: str) -> Any:
    """The object at an import path.

    Args:
        path (str): Such as ``'package.module.Name'``.

    Raises:
        ConfigError: If there is no such object or its package cannot be
            imported; says what is missing, and the nearest names.

    Example:
        >>> find_object('torch.nn.ReLU')
        <class 'torch.nn.modules.activation.ReLU'>
    """
    if not isinstance(path, str) or '.' not in path:
        raise ConfigError(
            f"an import path is written 'package.Name', not {path!r}"
        )
    try:
        return pkgutil.resolve_name(path)
    except AttributeError as error:
        _check_submodule(error)
        owner = getattr(error.obj, '__name__', path.rpartition('.')[0])
        near = nearest_names(str(error.name), _public(error.obj))
        raise ConfigError(f'{owner} has no {error.name}{near}') from error
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if not path.startswith(missing):
            raise ConfigError(f'{path} needs the package {missing}') from error
        top = missing.split('.')[0]
        near = nearest_names(
            top, packages_distributions(), ', or write ', 0.75
        )
        raise ConfigError(
            f'there is no package {top} here, which {path} needs; install '
            f'it, or put its folder on PYTHONPATH{near}'
        ) from error
    except Exception as error:
        raise ConfigError(
            f'{path} could not be imported: {type(error).__name__}: '
            f'{one_line(error)}'
        ) from error


def _check_submodule(error: AttributeError) -> None:
    """Raise ConfigError if what is missing is a module that fails to import.

    ``pkgutil.resolve_name`` takes such a module for a missing name.
    """
    if isinstance(error.obj, ModuleType) and hasattr(error.obj, '__path__'):
        name = f'{error.obj.__name__}.{error.name}'
        if importlib.util.find_spec(name) is not None:
            import_module(name, 'the import path')


def import_module(name: str, where: str) -> None:
    """Import a module for what it registers.

    Args:
        name (str): Such as ``'package.module'``.
        where (str): What names it, for the error.

    Raises:
        ConfigError: If it cannot be imported; with its own error.
    """
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever the module's code raises
        missing = getattr(error, 'name', None)
        if isinstance(error, ModuleNotFoundError) and missing == name:
            raise ConfigError(
                f'there is no module {name}, which {where} names; put its '
                'folder on PYTHONPATH'
            ) from error
        raise ConfigError(
            f'{name}, which {where} names, could not be imported: '
            f'{type(error).__name__}: {one_line(error)}'
        ) from error


def nearest_names(
    name: str,
    names: Iterable[str],
    text: str = '; nearest: ',
    cutoff: float = 0.5,
) -> str:
    """The names that are spelled most like a name, after ``text``; or ''.

    Args:
        name (str): The misspelled name.
        names (iterable of str): The known ones.
        text (str): Put before the nearest names.
        cutoff (float): Least likeness, in [0, 1]; higher where a name may
            well be right and only missing.

    Example:
        >>> nearest_names('depht', ['depth', 'width'])
        '; nearest: depth'
        >>> nearest_names('timm', ['mmcv'], cutoff=0.75)
        ''
    """
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=cutoff)
    return text + ', '.join(lower[name] for name in near) if near else ''


def _public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith('_')]
