"""Hook and backend in mmseg's own registries; imported where mmseg is."""

from mmseg.registry import HOOKS, VISBACKENDS

from .engine import ERFHook
from .visualization import ERFVisBackend

HOOKS.register_module(module=ERFHook)
VISBACKENDS.register_module(module=ERFVisBackend)
