"""The middle window of the slide test mode."""

from __future__ import annotations

from torch import nn


def middle_window(
    model: nn.Module, size: tuple[int, int]
) -> tuple[slice, slice] | None:
    """The window of the slide test mode that is nearest the middle.

    In slide mode a network never sees a whole image: an ERF is of a window.

    Args:
        model (nn.Module): With ``test_cfg``, where it is a segmentor.
        size (tuple[int, int]): (H, W) of the whole input.

    Returns:
        tuple[slice, slice], optional: Rows and columns; None where the whole
        image is run at once.
    """
    test_cfg = getattr(model, 'test_cfg', None) or {}
    if test_cfg.get('mode') != 'slide':
        return None
    axes = zip(size, test_cfg['crop_size'], test_cfg['stride'], strict=True)
    rows, columns = (_middle_slice(*axis) for axis in axes)
    return rows, columns


def _middle_slice(length: int, crop: int, stride: int) -> slice:
    """The one nearest the middle of the windows along one axis."""
    if crop >= length:
        return slice(0, length)
    steps = -(-(length - crop) // stride) + 1
    starts = [min(step * stride, length - crop) for step in range(steps)]
    start = min(starts, key=lambda s: abs(s + crop / 2 - length / 2))
    return slice(start, start + crop)
