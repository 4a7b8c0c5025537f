"""Register hook and backend where OpenMMLab's packages are installed."""

from __future__ import annotations

import warnings
from importlib import import_module

from .core.errors import one_line

PACKAGES = ('mmengine', 'mmcv', 'mmseg')


def register() -> None:
    """Register ERFHook and ERFVisBackend by importing their rooms.

    With MMEngine they stand in its root registries, where every package
    finds them: mmpretrain, mmdet. Where mmseg can be imported, in mmseg's
    own too, with ModuleSegmentor. A package that is not installed is passed
    over; one that is installed and cannot be imported (two families in one
    environment, versions that refuse each other) gives a warning: that is
    the reason of a later 'ERFHook is not in the registry'.
    """
    rooms = ('.engine', '.visualization')
    if _import(rooms, 'mmengine', 'ERFHook and ERFVisBackend'):
        _import(('._mmseg',), 'mmseg', "anything in mmseg's registries")


def missing(error: Exception) -> str:
    """Name of the package that an ImportError did not find."""
    return (getattr(error, 'name', None) or '').split('.')[0]


def _import(modules: tuple[str, ...], package: str, what: str) -> bool:
    """Import modules of mmerf; warn unless only the package is missing."""
    try:
        with warnings.catch_warnings():
            # Of mmcv without its operators; every user of mmcv-lite sees it.
            warnings.filterwarnings('ignore', 'Fail to import')
            for module in modules:
                import_module(module, __package__)
    except Exception as error:  # whatever a broken installation raises
        absent = isinstance(error, ModuleNotFoundError)
        if not absent or missing(error) != package:
            warnings.warn(
                f'mmerf could not register {what}: '
                f'{type(error).__name__}: {one_line(error)}',
                stacklevel=4,
            )
        return False
    return True
