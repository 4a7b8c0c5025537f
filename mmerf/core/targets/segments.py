"""Segments: the connected components of a class's region."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError

COMPONENTS = ('all', 'largest')


def check_component(component: str) -> str:
    """Return it; raise ConfigError unless it is one of ``COMPONENTS``."""
    if component not in COMPONENTS:
        raise ConfigError(
            f"component is 'all' or 'largest', not {component!r:.40}"
        )
    return component


def label_components(mask_hw: np.ndarray) -> np.ndarray:
    """Number the connected components of a mask.

    Args:
        mask_hw (np.ndarray): Boolean, shape (H, W).

    Returns:
        np.ndarray: Whole numbers, shape (H, W): 0 outside the mask, 1 and on
        in the components. Pixels are connected where they share an edge.

    Example:
        >>> label_components(np.array([[True, False, True]])).tolist()
        [[1, 0, 2]]
    """
    from scipy import ndimage  # late: it takes long to import

    return ndimage.label(mask_hw)[0]


def largest_component(mask_nhw: Tensor) -> Tensor:
    """The largest connected component of each mask, the first of equals.

    Args:
        mask_nhw (Tensor): Boolean, shape (N, h, w).

    Returns:
        Tensor: The same shape and device; empty where the mask is empty.

    Example:
        >>> largest_component(torch.tensor([[[True, False, True, True]]]))
        tensor([[[False, False,  True,  True]]])
    """
    kept = torch.zeros_like(mask_nhw)
    for position, mask in enumerate(mask_nhw.cpu().numpy()):
        numbered = label_components(mask)
        sizes = np.bincount(numbered.ravel())[1:]
        if len(sizes):
            own = torch.from_numpy(numbered == sizes.argmax() + 1)
            kept[position] = own.to(kept.device)
    return kept
