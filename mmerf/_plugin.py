"""Register hook and backend once OpenMMLab's packages are imported."""

from __future__ import annotations

import warnings
from importlib import import_module

from ._when_imported import when_imported
from .core.errors import one_line

# What is waited for: the modules that register in it, and what they register.
_REGISTERED = {
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
    for module in _REGISTERED:
        when_imported(module, _register_in)


def _register_in(module: str) -> None:
    names, what = _REGISTERED[module]
    try:
        for name in names:
            import_module(name, __package__)
    except Exception as error:  # whatever a broken installation raises
        warnings.warn(
            f'mmerf could not register {what}: '
            f'{type(error).__name__}: {one_line(error)}',
            stacklevel=4,  # where the module is imported
        )
