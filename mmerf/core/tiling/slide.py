"""Logits of an image from tiles, averaged where they overlap."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .grid import Tiling, tile_spans


def slide(
    run: Callable[[Tensor], Tensor], images: Tensor, tiling: Tiling
) -> Tensor:
    """Logits of images from their tiles, one tile after the other.

    Args:
        run (callable): Gives logits (N, C, H, W) at the pixels of images.
        images (Tensor): Shape (N, channels, H, W).
        tiling (Tiling): Cuts them.

    Returns:
        Tensor: Shape (N, C, H, W): at each pixel the mean of the logits of
        all tiles that it lies in.

    Source: ``EncoderDecoder.slide_inference`` of MMSegmentation, with which
    it agrees.
    """
    height, width = images.shape[-2:]
    total, count = images.new_zeros(0), images.new_zeros(height, width)
    for top, bottom in tile_spans(height, tiling):
        for left, right in tile_spans(width, tiling):
            tile = images[..., top:bottom, left:right]
            logits = run(tile)
            if not total.numel():
                shape = (*logits.shape[:2], height, width)
                total = logits.new_zeros(shape)
            total[..., top:bottom, left:right] += logits
            count[top:bottom, left:right] += 1
    return total / count
