"""Import path -> object; errors that say what is missing."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from typing import Any

from .errors import ConfigError, one_line


def find_object(path: str) -> Any:
    """What an import path names.

    Raises:
        ConfigError: If it names nothing or its package cannot be imported.

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
        owner = getattr(error.obj, '__name__', path.rpartition('.')[0])
        near = nearest_names(str(error.name), _public(error.obj))
        raise ConfigError(f'{owner} has no {error.name}{near}') from error
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if not path.startswith(missing):
            raise ConfigError(f'{path} needs the package {missing}') from error
        top = missing.split('.')[0]
        raise ConfigError(
            f'there is no package {top} here, which {path} asks for; install '
            f'it{nearest_names(top, packages_distributions(), ", or write ")}'
        ) from error
    except Exception as error:
        raise ConfigError(
            f'{path} could not be imported: {type(error).__name__}: '
            f'{one_line(error)}'
        ) from error


def nearest_names(
    asked: str, names: Iterable[str], text: str = '; nearest: '
) -> str:
    """The names that are spelled most like one, after ``text``; or ''.

    Example:
        >>> nearest_names('depht', ['depth', 'width'])
        '; nearest: depth'
    """
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(asked.lower(), lower, n=3, cutoff=0.5)
    return text + ', '.join(lower[name] for name in near) if near else ''


def _public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith('_')]
