"""Ties between equal values, which only rounding decides.

In a flat part of an image (a border that was filled, a saturated sky) all
values that a maximum chooses from are equal, up to rounding. A crop, another
memory layout or a folded batch norm rounds otherwise, and the maximum, with
the gradient, is found elsewhere. See ``choices`` for what is done then.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..batch import Batch, JoinedInputs
from ..running.layer_scores import LayerScores
from ..windows.planner import WindowPlan

FLAT = 5  # px, the side of a flat part that matters


def has_flat_part(images: Tensor, joined: JoinedInputs | None = None) -> bool:
    """Whether some square of ``FLAT`` x ``FLAT`` px is of one colour.

    Args:
        images (Tensor): Shape (N, C, H, W).
        joined (JoinedInputs, optional): Of several inputs, any one counts.

    Example:
        >>> image = torch.arange(400.0).view(1, 1, 20, 20)
        >>> has_flat_part(image)
        False
        >>> image[:, :, 10:, 10:] = 0
        >>> has_flat_part(image)
        True
    """
    if min(images.shape[2:]) < FLAT:
        return False
    if joined is not None:
        each = joined.channels.values()
        return any(has_flat_part(images[:, own]) for own in each)
    # Of the rows of a flat square, one is among these: few images have any.
    level = ~_steps_across(images[:, :, ::FLAT])
    for apart in (1, 2):  # then for two, then for four steps in a row
        level = level[..., apart:] & level[..., :-apart]
    if not level.any():
        return False
    down = (images[:, :, 1:] != images[:, :, :-1]).any(1)
    across = _steps_across(images)
    edges = [
        functional.max_pool2d(changes.float(), kernel, 1)
        for changes, kernel in (
            (down, (FLAT - 1, FLAT)),
            (across, (FLAT, FLAT - 1)),
        )
    ]
    return bool((torch.maximum(edges[0], edges[1]) == 0).any())


def _steps_across(images: Tensor) -> Tensor:
    """Whether each pixel has another colour than the one left of it."""
    return (images[..., 1:] != images[..., :-1]).any(1)


def has_ties(plan: WindowPlan, layers: LayerScores, batch: Batch) -> bool:
    """Whether rounding decides between values that a unit sees.

    Args:
        plan (WindowPlan): How the batch is run.
        layers (LayerScores): All layers.
        batch (Batch): Whole images.
    """
    if batch.inputs.dim() != 4 or not layers.noticed.chooses:
        return False
    _, images = plan.layers_and_images(layers, batch.inputs)
    return has_flat_part(images, batch.joined)
