"""Register hook and backend once OpenMMLab's packages are imported."""

from __future__ import annotations

import warnings
from importlib import import_module

from ._when_imported import when_imported
from .core.errors import one_line

PACKAGES = ('mmengine', 'mmcv', 'mmseg')
# Their module: ours that register in it, and what is missing without them.
ROOMS = {
    'mmengine': (
        ('.engine', '.visualization'),
        'ERFHook and ERFVisBackend',
    ),
    'mmseg.registry': (
        ('._mmseg',),
        "ERFHook and ERFVisBackend in mmseg's registries",
    ),
    'mmseg.models': (('.engine.segmentors',), 'ModuleSegmentor'),
    'mmseg.datasets.transforms': (('.engine.transforms',), 'Letterbox'),
}


def register() -> None:
    """Register ERFHook and ERFVisBackend where and when they can be used.

    With MMEngine they stand in its root registries, where every package
    finds them: mmpretrain, mmdet. In mmseg's own they stand as well, beside
    ModuleSegmentor and Letterbox. Each is registered as soon as the module
    of MMEngine or mmseg is imported that what it extends is in, now or
    later; none of them is imported for it, and one that is missing or broken
    matters to nobody who does not import it. What cannot be registered then
    gives a warning: that is the reason of a later 'ERFHook is not in the
    registry'.
    """
    for module in ROOMS:
        when_imported(module, _import_rooms)


def missing(error: Exception) -> str:
    """Name of the package that an ImportError did not find."""
    return (getattr(error, 'name', None) or '').split('.')[0]


def _import_rooms(module: str) -> None:
    """Import modules of mmerf that register; warn where they cannot."""
    rooms, what = ROOMS[module]
    try:
        for room in rooms:
            import_module(room, __package__)
    except Exception as error:  # whatever a broken installation raises
        warnings.warn(
            f'mmerf could not register {what}: '
            f'{type(error).__name__}: {one_line(error)}',
            stacklevel=2,
        )
