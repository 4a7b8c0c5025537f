"""What stands in mmseg's own registries; imported where mmseg can be."""

from mmseg.registry import HOOKS, VISBACKENDS

from .engine import ERFHook, segmentors, transforms  # noqa: F401
from .visualization import ERFVisBackend

HOOKS.register_module(module=ERFHook)
VISBACKENDS.register_module(module=ERFVisBackend)
