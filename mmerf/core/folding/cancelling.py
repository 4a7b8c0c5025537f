"""Kernels that give exactly zero where an image is flat."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ROUNDING = 1e-6  # float32's, of what is summed


def may_cancel(conv: nn.Conv2d, norm: Any) -> bool:
    """Whether a batch norm may hand on exact zeros of a convolution.

    A kernel whose weights sum to zero (of Sobel's kind, or opponent colours)
    gives exact zeros in flat parts of an image, and so does a norm after it
    that shifts nothing. A folded kernel gives what its rounding leaves: a ReLU
    then passes gradients on that the plain way stops.

    Args:
        conv (nn.Conv2d): The convolution.
        norm: The batch norm that alone reads it.
    """
    with torch.no_grad():
        weight = conv.weight[_unshifted(conv, norm)].cpu().double().flatten(2)
        each = weight.sum(2)  # of one input channel
        cancels = (each == 0) | (each.sum(1, keepdim=True) == 0)
        return bool((cancels & weight.any(2)).any())


def _unshifted(conv: nn.Conv2d, norm: Any) -> Tensor:
    """Channels in which an input of zeros leaves zero, (C,)."""
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    parts = [-norm.running_mean * scale]
    if conv.bias is not None:
        parts.append(conv.bias * scale)
    if norm.bias is not None:
        parts.append(norm.bias)
    shift = torch.stack(parts)
    return shift.sum(0).abs() <= ROUNDING * shift.abs().sum(0)
