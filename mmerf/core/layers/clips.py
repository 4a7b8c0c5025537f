"""Clips (N, F, C, H, W): outputs with one map per frame, and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from ..grid.reading import Reading
from .output_forms import OutputContext, layout_of
from .single_outputs import tensor_of


def frames_to_channels(
    output: Any, context: OutputContext, shape: tuple[int, ...]
) -> Tensor | None:
    """One output as (N, C, h, w); the frames of a clip become channels.

    Args:
        output: A tensor or ``(tokens, (h, w))``.
        context (OutputContext): What is known about the output.
        shape (tuple[int, ...]): Shape of the input, (N, C, H, W) or
            (N, F, C, H, W); the layer may then return N * F outputs, clip
            after clip, as ``flatten(0, 1)`` orders them.

    Returns:
        Tensor, optional: None where the layout is not known.
    """
    found = read_frames(output, context, shape)
    return None if found is None else found[0]


def read_frames(
    output: Any, context: OutputContext, shape: tuple[int, ...]
) -> tuple[Tensor, Reading] | None:
    """As ``frames_to_channels``, with the layout of each frame's output."""
    tensor = tensor_of(output)
    if tensor is None:
        return None
    frames = math.prod(shape[1:-3])
    for each in (1, frames) if frames > 1 else (1,):
        batch = shape[0] * each
        layout = layout_of(output, replace(context, batch=batch))
        nchw = None if layout is None else layout.nchw(tensor, batch)
        if layout is not None and nchw is not None:
            if each > 1:
                nchw = nchw.unflatten(0, (shape[0], frames)).flatten(1, 2)
            return nchw, layout
    return None


def resize_images(images: Tensor, size: Sequence[int] | None) -> Tensor:
    """Images or clips (N, ..., C, H, W) resized to (H, W), bilinear."""
    if size is None or tuple(images.shape[-2:]) == tuple(size):
        return images
    size = (size[0], size[1])
    flat = images.flatten(0, -4)
    made = functional.interpolate(flat, size, mode='bilinear')
    return made.view(*images.shape[:-2], *size)
