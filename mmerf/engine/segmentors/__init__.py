"""Models from outside mmseg, as mmseg's segmentors."""

from .logits_head import LogitsHead
from .module_segmentor import ModuleSegmentor

__all__ = ['LogitsHead', 'ModuleSegmentor']
