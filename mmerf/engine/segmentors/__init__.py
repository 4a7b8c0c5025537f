"""Networks of any package, as segmentors that mmseg trains and validates.

Imports nothing of ``engine`` outside this room.
"""

from .logits_head import LogitsHead
from .module_segmentor import ModuleSegmentor

__all__ = ['LogitsHead', 'ModuleSegmentor']
