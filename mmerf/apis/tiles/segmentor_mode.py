"""A segmentor's test mode, changed for a moment; and mmseg's own tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import ConfigDict
from torch import Tensor

from ...core.batch import Batch
from ...core.tiling.grid import Tiling


def slides(model: Any) -> bool:
    """Whether a model is a segmentor with mmseg's sliding windows."""
    return hasattr(model, 'slide_inference') and hasattr(model, 'test_cfg')


@contextmanager
def in_test_mode(model: Any, **settings: Any) -> Iterator[None]:
    """A segmentor in another test mode; the former one comes back.

    Args:
        model: With ``test_cfg``; any other stays as it is.
        **settings: Of ``test_cfg``: ``mode``, ``crop_size``, ``stride``.
    """
    if not slides(model):
        yield
        return
    before = model.test_cfg
    try:
        model.test_cfg = ConfigDict({**(before or {}), **settings})
        yield
    finally:
        model.test_cfg = before


class SegmentorSlide:
    """Logits from tiles, by a segmentor's own ``slide_inference``.

    Args:
        model (EncoderDecoder): Of mmseg, or with the same methods.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, batch: Batch, images: Tensor, tiling: Tiling) -> Tensor:
        """Logits (N, C, H, W) of images of a batch."""
        metas = [dict(meta) for meta in batch.metas or ()]  # it changes them
        window, stride = (tiling.window,) * 2, (tiling.stride,) * 2
        with in_test_mode(
            self.model, mode='slide', crop_size=window, stride=stride
        ):
            return self.model.slide_inference(images, metas)
