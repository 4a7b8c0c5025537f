"""MMEngine's side: the hook, batches, ranks, and segmentors of any module.

May import: ``core``, ``plots``.
"""

from .hooks import ERFHook
from .segmentors import LogitsHead, ModuleSegmentor

__all__ = ['ERFHook', 'LogitsHead', 'ModuleSegmentor']
