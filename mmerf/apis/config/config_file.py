"""Read config files, mmseg's own included."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.utils import register_all_modules

from ...core.errors import ConfigError, one_line
from ...core.import_path import import_module
from .find_config import find_config
from .missing_packages import why_unread

# what mmengine's merging raises for keys and values that do not fit
_UNFIT = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


def load_config(
    config: str | os.PathLike | Config, cfg_options: Mapping | None = None
) -> Config:
    """Read a config file, or one of mmseg's own.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a ready config.
        cfg_options (mapping, optional): Settings to override, by dotted key;
            applied in this order.

    Returns:
        Config: A copy; its default scope is initialised.

    Raises:
        ConfigError: If there is no such file or it cannot be read.
    """
    if isinstance(config, Config):
        cfg = config.copy()
    else:
        path = find_config(config)
        try:
            cfg = Config.fromfile(path)
        except Exception as error:  # a config is a program
            text = Path(path).read_text(encoding='utf-8', errors='replace')
            raise ConfigError(why_unread(config, error, text)) from error
    try:
        # One call per key: in a single call, a key would overwrite settings
        # inside it. A copy: merging removes _delete_ from the value.
        for key, value in (cfg_options or {}).items():
            cfg.merge_from_dict({key: copy.deepcopy(value)})
    except _UNFIT as error:
        raise ConfigError(
            f'the config options do not fit: {one_line(error)}'
        ) from error
    if any(key.split('.')[0] == 'custom_imports' for key in cfg_options or {}):
        _import_customs(cfg.custom_imports)
    scope = cfg.get('default_scope') or 'mmseg'
    if not isinstance(scope, str):
        raise ConfigError(
            f"default_scope is the name of a registry, such as 'mmseg', not "
            f'{scope!r}'
        )
    with redirect_stdout(io.StringIO()):  # mmseg prints what it cannot find
        register_all_modules(init_default_scope=False)
    init_default_scope(scope)
    return cfg


def _import_customs(settings: Any) -> None:
    """Import what the options name; mmengine did so for the file alone."""
    imports = settings.get('imports') if isinstance(settings, Mapping) else []
    for name in [imports] if isinstance(imports, str) else imports or []:
        import_module(name, 'custom_imports')
