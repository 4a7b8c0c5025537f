"""Clips (N, F, C, H, W): outputs with one map per frame, and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from .output_forms import OutputContext, to_nchw


def frames_to_channels(
    output: Any, context: OutputContext, shape: tuple[int, ...]
) -> Tensor | None:
    """One output as (N, C, h, w); the frames of a clip become channels.

    Args:
        output: A tensor or ``(tokens, (h, w))``.
        context (OutputContext): What is known about the pass.
        shape (tuple[int, ...]): Shape of the input, (N, C, H, W) or
            (N, F, C, H, W); the layer may then return N * F outputs, clip
            after clip, as ``flatten(0, 1)`` orders them.

    Returns:
        Tensor, optional: None where the form cannot be decided.
    """
    nchw = to_nchw(output, context)
    frames = math.prod(shape[1:-3])
    if nchw is not None or frames == 1:
        return nchw
    each = to_nchw(output, replace(context, batch=shape[0] * frames))
    if each is None:
        return None
    return each.unflatten(0, (shape[0], frames)).flatten(1, 2)


def resize_images(images: Tensor, size: Sequence[int] | None) -> Tensor:
    """Images or clips (N, ..., C, H, W) resized to (H, W), bilinear."""
    if size is None or tuple(images.shape[-2:]) == tuple(size):
        return images
    size = (size[0], size[1])
    flat = images.flatten(0, -4)
    made = functional.interpolate(flat, size, mode='bilinear')
    return made.view(*images.shape[:-2], *size)
