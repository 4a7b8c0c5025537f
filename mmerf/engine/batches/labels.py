"""Labels of images, and names of a dataset's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = 255  # of no class; mmseg pads labels with it and ignores it


def ground_truth(
    samples: Sequence[Any] | None,
    size: tuple[int, int],
    window: tuple[slice, slice] | None = None,
) -> Tensor | None:
    """Labels of the network's input, pixel by pixel.

    A test pipeline loads labels at the size of the image file, and an image
    may be padded at the bottom and right: labels are resized to the image
    (nearest), and the padding gets ``IGNORED``.

    Args:
        samples (sequence of SegDataSample, optional): One per image.
        size (tuple[int, int]): (H, W) of the whole input.
        window (tuple[slice, slice], optional): The part that is run.

    Returns:
        Tensor, optional: Class indices (N, H, W); None where an image has no
        ``gt_sem_seg``.
    """
    resized = []
    for sample in samples or ():
        labels = _label_tensor(sample)
        if labels is None:
            return None
        resized.append(_on_input(labels, sample, size))
    if not resized:
        return None
    whole = torch.stack(resized)
    return whole if window is None else whole[(slice(None), *window)]


def class_names(dataset: Any) -> list[str] | None:
    """Names of a dataset's classes, or of the dataset that it wraps."""
    while dataset is not None:
        meta = getattr(dataset, 'metainfo', None) or {}
        if meta.get('classes'):
            return [str(name) for name in meta['classes']]
        several = getattr(dataset, 'datasets', None)
        dataset = several[0] if several else getattr(dataset, 'dataset', None)
    return None


def classes_of_runner(runner: Any) -> list[str] | None:
    """Class names of a runner's validation, test or training data."""
    for loop in (runner._val_loop, runner._test_loop, runner._train_loop):
        loader = getattr(loop, 'dataloader', None)
        names = class_names(getattr(loader, 'dataset', None))
        if names is not None:
            return names
    return None


def _label_tensor(sample: Any) -> Tensor | None:
    found = getattr(sample, 'gt_sem_seg', None)
    return None if found is None else found.data


def _on_input(labels: Tensor, sample: Any, size: tuple[int, int]) -> Tensor:
    """One image's labels, resized to the image and padded to (H, W)."""
    height, width = sample.metainfo.get('img_shape', size)[:2]
    height, width = min(height, size[0]), min(width, size[1])
    resized = functional.interpolate(
        labels.view(1, 1, *labels.shape[-2:]).double(),
        (height, width),
        mode='nearest-exact',
    )
    padded = torch.full(size, IGNORED, device=labels.device)
    padded[:height, :width] = resized[0, 0].long()
    return padded
