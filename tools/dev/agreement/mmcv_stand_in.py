"""mmcv without its compiled operators, so that mmdet can be imported.

Building them takes long. A RetinaNet needs one, and only where it predicts:
non-maximum suppression, written out here. Every other one fails when called.
"""

import sys
import types
from importlib.machinery import ModuleSpec

import torch


def declare():
    """Stand in for ``mmcv._ext`` where it was not built."""
    try:
        import mmcv._ext  # noqa: F401
    except ModuleNotFoundError:
        stand_in = types.ModuleType('mmcv._ext')
        stand_in.nms = suppressed
        stand_in.__spec__ = ModuleSpec('mmcv._ext', None)
        stand_in.__getattr__ = not_built
        sys.modules['mmcv._ext'] = stand_in


def not_built(name):
    if name.startswith('__'):
        raise AttributeError(name)

    def operator(*args, **kwargs):
        raise NotImplementedError(f"mmcv's operator {name} is not built")

    return operator


def suppressed(boxes, scores, iou_threshold, offset):
    """Indices of the boxes that stay, by falling score."""
    sides = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0)
    area = sides.prod(1)
    left, kept = scores.argsort(descending=True), []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(first)
        low = torch.maximum(boxes[first, :2], boxes[left, :2])
        high = torch.minimum(boxes[first, 2:], boxes[left, 2:])
        both = (high - low + offset).clamp(min=0).prod(1)
        left = left[both <= iou_threshold * (area[first] + area[left] - both)]
    return torch.stack(kept) if kept else scores.new_zeros(0).long()
