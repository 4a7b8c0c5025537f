"""Steps of test pipelines that mmcv and mmseg do not have.

Each is registered in mmseg's ``TRANSFORMS`` as it is imported. May import:
``core``.
"""

from .letterbox import Letterbox

__all__ = ['Letterbox']
