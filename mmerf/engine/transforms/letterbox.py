"""Letterbox: resize with the aspect ratio kept, and centre on a canvas."""

from __future__ import annotations

from collections.abc import Sequence

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ...core.errors import ConfigError

IGNORED_LABEL = 255


@TRANSFORMS.register_module()
class Letterbox(BaseTransform):
    """Bring images to one size as YOLO's validation does.

    The image is resized, up or down, to the largest size that fits, and
    centred; an odd pixel goes below and to the right. Labels are resized to
    the nearest value, and 255 around the image.

    Required keys: ``img``; optional ``gt_seg_map``. Sets ``img_shape`` and
    ``pad_shape``, which count the border as mmcv's ``Pad`` does,
    ``scale_factor`` (width, height) and ``keep_ratio``.

    Args:
        scale (tuple[int, int]): (width, height) of the canvas in pixels.
        pad_value (int): Value around the image, in every channel.

    Raises:
        ConfigError: If ``scale`` is no such pair.

    Source: ``LetterBox`` of ultralytics/ultralytics, with its defaults.

    Example:
        >>> step = Letterbox(scale=(64, 64))
        >>> out = step({'img': np.zeros((20, 40, 3), np.uint8)})
        >>> out['img'].shape, out['scale_factor']
        ((64, 64, 3), (1.6, 1.6))
        >>> int(out['img'][15, 0, 0]), int(out['img'][16, 0, 0])
        (114, 0)
    """

    def __init__(self, scale: Sequence[int], pad_value: int = 114) -> None:
        sides = list(scale) if isinstance(scale, (list, tuple)) else []
        if len(sides) != 2 or not all(
            isinstance(side, int) and side > 0 for side in sides
        ):
            raise ConfigError(
                f'the scale of Letterbox is (width, height) in whole pixels, '
                f'not {scale!r}'
            )
        self.scale = (sides[0], sides[1])
        self.pad_value = pad_value

    def transform(self, results: dict) -> dict:
        """Letterbox the image, and the labels if there are any."""
        height, width = results['img'].shape[:2]
        ratio = min(self.scale[0] / width, self.scale[1] / height)
        size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        image = self._centred(results['img'], size, 'bilinear', self.pad_value)
        results['img'] = image
        if results.get('gt_seg_map') is not None:
            results['gt_seg_map'] = self._centred(
                results['gt_seg_map'], size, 'nearest', IGNORED_LABEL
            )
        results['img_shape'] = image.shape[:2]
        results['pad_shape'] = image.shape
        results['scale_factor'] = (size[0] / width, size[1] / height)
        results['keep_ratio'] = True
        return results

    def _centred(
        self,
        array: np.ndarray,
        size: tuple[int, int],
        interpolation: str,
        value: int,
    ) -> np.ndarray:
        """Resized to a size (width, height), on a canvas of one value."""
        if array.shape[:2] != size[::-1]:
            # OpenCV drops a last axis of one channel
            array = mmcv.imresize(
                array, size, interpolation=interpolation, backend='cv2'
            ).reshape(*size[::-1], *array.shape[2:])
        left, top = (
            (whole - inner) // 2
            for whole, inner in zip(self.scale, size, strict=True)
        )
        shape = (*self.scale[::-1], *array.shape[2:])
        canvas = np.full(shape, value, array.dtype)
        canvas[top : top + size[1], left : left + size[0]] = array
        return canvas

    def __repr__(self) -> str:
        """The step as a config writes it."""
        return (
            f'{type(self).__name__}(scale={self.scale}, '
            f'pad_value={self.pad_value})'
        )
