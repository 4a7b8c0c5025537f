"""Where config files are, mmseg's own included; imports none of mmseg."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ...core.errors import ConfigError, one_line

_MMSEG_PREFIX = 'mmseg::'


def find_config(config: str | os.PathLike) -> Path:
    """Path of a config file; ``mmseg::`` names one in the mmseg package.

    Raises:
        ConfigError: If there is no such file.
    """
    name = os.fspath(config)
    if name.startswith(_MMSEG_PREFIX):
        root = mmseg_configs()
        inside = name.removeprefix(_MMSEG_PREFIX)
        path = root / inside
        if not os.path.isfile(path):
            raise ConfigError(
                f'mmseg has no config {one_line(inside)}{_similar(root, path)}'
            )
        return path
    path = Path(name)
    if not os.path.isfile(path):
        hint = ''
        if _mmseg_folder() and os.path.isfile(mmseg_configs() / name):
            hint = f"; mmseg's own is written {_MMSEG_PREFIX}{name}"
        raise ConfigError(f'there is no config file {one_line(name)}{hint}')
    return path


def mmseg_configs() -> Path:
    """The folder of mmseg's own configs, inside the installed package."""
    root = _mmseg_folder()
    if root is None:
        raise ConfigError(
            "mmseg's configs need mmseg; pip install 'mmerf[mmseg]' (or -r "
            'requirements/mminstall.txt)'
        )
    packed = root / '.mim' / 'configs'
    return packed if packed.is_dir() else root.parent / 'configs'


def _mmseg_folder() -> Path | None:
    """Where mmseg is installed; None where it is not."""
    try:
        spec = importlib.util.find_spec('mmseg')
    except (ImportError, ValueError):
        return None
    places = spec and spec.submodule_search_locations
    return Path(places[0]) if places else None


def _similar(root: Path, path: Path) -> str:
    folder = path.parent
    if not os.path.isdir(folder):
        families = sorted(p.name for p in root.glob('[!_]*') if p.is_dir())
        return f'; its families are {", ".join(families)}'
    names = sorted(p.name for p in folder.glob('*.py'))
    return f'; {folder.name}/ has for example {", ".join(names[:4])}'
