"""What a dataset says of its images: labels, and names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = 255  # in no class, as mmseg pads and ignores


def ground_truth(
    samples: Sequence[Any] | None,
    size: tuple[int, int],
    window: tuple[slice, slice] | None = None,
) -> Tensor | None:
    """Labels as they lie over the network's input.

    A test pipeline loads labels at the image's own size, and the image may be
    padded at its far sides: labels are resized to the image (nearest), the
    padding is ignored.

    Args:
        samples (sequence of SegDataSample, optional): One an image.
        size (tuple[int, int]): (H, W) of the whole input.
        window (tuple[slice, slice], optional): The part that is run.

    Returns:
        Tensor, optional: Class indices (N, H, W); None where an image has no
        ``gt_sem_seg``.
    """
    if not samples or any(_labels(sample) is None for sample in samples):
        return None
    laid = [_laid(sample, size) for sample in samples]
    labels = torch.stack(laid)
    return labels if window is None else labels[(slice(None), *window)]


def class_names(dataset: Any) -> list[str] | None:
    """Names of a dataset's classes, also of one inside wrappers."""
    while dataset is not None:
        meta = getattr(dataset, 'metainfo', None) or {}
        if meta.get('classes'):
            return [str(name) for name in meta['classes']]
        several = getattr(dataset, 'datasets', None)
        dataset = several[0] if several else getattr(dataset, 'dataset', None)
    return None


def classes_of_runner(runner: Any) -> list[str] | None:
    """Names of the classes of whatever a runner validates or tests on."""
    for loop in (runner._val_loop, runner._test_loop, runner._train_loop):
        loader = getattr(loop, 'dataloader', None)
        names = class_names(getattr(loader, 'dataset', None))
        if names is not None:
            return names
    return None


def _labels(sample: Any) -> Tensor | None:
    found = getattr(sample, 'gt_sem_seg', None)
    return None if found is None else found.data


def _laid(sample: Any, size: tuple[int, int]) -> Tensor:
    labels = _labels(sample)
    assert labels is not None
    height, width = sample.metainfo.get('img_shape', size)[:2]
    height, width = min(height, size[0]), min(width, size[1])
    resized = functional.interpolate(
        labels.view(1, 1, *labels.shape[-2:]).double(),
        (height, width),
        mode='nearest-exact',
    )
    over = torch.full(size, IGNORED, device=labels.device)
    over[:height, :width] = resized[0, 0].long()
    return over
