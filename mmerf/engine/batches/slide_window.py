"""The middle window of the slide test mode."""

from __future__ import annotations

from torch import nn

from ...core.tiling.grid import window_spans


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
    spans = window_spans(length, crop, stride)
    return slice(*min(spans, key=lambda span: abs(sum(span) - length)))
