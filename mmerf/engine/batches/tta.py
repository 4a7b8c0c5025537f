"""Batches of test-time augmentation: which augmentation is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def is_augmented(batch: Mapping) -> bool:
    """Whether a batch holds a list of images for each augmentation."""
    return all(
        isinstance(value, (list, tuple))
        and len(value) > 0
        and isinstance(value[0], (list, tuple))
        for value in (batch['inputs'], batch.get('data_samples'))
    )


def plainest_augmentation(batch: Mapping) -> dict[str, Any]:
    """The unflipped augmentation whose scale is nearest 1, as a batch.

    Args:
        batch (mapping): ``inputs`` and ``data_samples``, each a list over
            augmentations of lists over images.
    """
    distances = [
        _flip_and_scale(samples[0].metainfo)
        for samples in batch['data_samples']
    ]
    chosen = distances.index(min(distances))
    return {key: list(value[chosen]) for key, value in batch.items()}


def _flip_and_scale(meta: Mapping) -> tuple[bool, float]:
    """Whether an image is flipped, and how far its log scale is from 0."""
    scale = meta.get('scale_factor')
    if scale is None:
        now, before = meta.get('img_shape'), meta.get('ori_shape')
        scale = [a / b for a, b in zip(now or (), before or (), strict=False)]
    sides = list(scale) if isinstance(scale, (list, tuple)) else [scale]
    distance = max((abs(math.log(s)) for s in sides[:2] if s > 0), default=0.0)
    return bool(meta.get('flip')), distance
