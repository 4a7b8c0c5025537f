"""The slide test mode: its middle window."""

from __future__ import annotations

from torch import nn


def middle_window(
    model: nn.Module, size: tuple[int, int]
) -> tuple[slice, slice] | None:
    """The window of the slide test mode that is nearest the middle.

    In slide mode a network only ever sees windows, so an ERF is of one.

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
    rows, columns = (_middle(*axis) for axis in axes)
    return rows, columns


def _middle(length: int, crop: int, stride: int) -> slice:
    """Of the windows that sliding gives, the one nearest the middle."""
    if crop >= length:
        return slice(0, length)
    steps = -(-(length - crop) // stride) + 1
    starts = [min(step * stride, length - crop) for step in range(steps)]
    start = min(starts, key=lambda s: abs(s + crop / 2 - length / 2))
    return slice(start, start + crop)
