"""MMEngine's side: the hook, and how a segmentor is run."""

from .hooks import ERFHook
from .segmentors import LogitsHead, ModuleSegmentor

__all__ = ['ERFHook', 'LogitsHead', 'ModuleSegmentor']
