"""Where two predictions differ, by distance; and how well one fits labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError

NOT_LABELLED = 255  # as MMSegmentation pads labels


def count_by_distance(
    differs: np.ndarray, distances: np.ndarray, edges: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels differ, and how many there are, in each bin.

    Args:
        differs (np.ndarray): Shape (H, W), bool.
        distances (np.ndarray): Shape (H, W), px.
        edges (sequence of int): Rising; bin i holds distances from
            ``edges[i]`` to below ``edges[i + 1]``, and the last bin all that
            are farther as well.

    Returns:
        tuple[np.ndarray, np.ndarray]: Each of shape (bins,), int64.

    Example:
        >>> found = count_by_distance(
        ...     np.array([[True, False]]), np.array([[0, 9]]), [0, 8, 16]
        ... )
        >>> [counts.tolist() for counts in found]
        [[1, 0], [1, 1]]
    """
    bins = len(edges) - 1
    places = np.digitize(distances.ravel(), edges[1:-1])
    chosen = places[differs.ravel()]
    return (
        np.bincount(chosen, minlength=bins),
        np.bincount(places, minlength=bins),
    )


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> np.ndarray:
    """Pixels by label and predicted class.

    Args:
        predicted (Tensor): Class indices, (H, W), below ``classes``.
        labels (Tensor): Likewise; ``NOT_LABELLED`` is left out.
        classes (int): How many there are.

    Returns:
        np.ndarray: Shape (classes, classes), int64; row: the label.

    Raises:
        ConfigError: If a label is neither a class nor ``NOT_LABELLED``.
    """
    known = labels != NOT_LABELLED
    true, found = labels[known].long(), predicted[known].long()
    if len(true) and not 0 <= int(true.min()) <= int(true.max()) < classes:
        raise ConfigError(
            f'labels go from {int(true.min())} to {int(true.max())}, and the '
            f'model has {classes} classes; labels are class indices, or '
            f'{NOT_LABELLED} for none (see reduce_zero_label)'
        )
    pairs = torch.bincount(true * classes + found, minlength=classes**2)
    return pairs.view(classes, classes).cpu().numpy()


def mean_iou(matrix: np.ndarray) -> float:
    """Mean intersection over union of the classes of a confusion matrix.

    Args:
        matrix (np.ndarray): Shape (classes, classes).

    Returns:
        float: Over the classes that are labelled or predicted anywhere; NaN
        without any.

    Example:
        >>> mean_iou(np.array([[2, 2], [0, 4]]))
        0.5833333333333333
    """
    both = np.diag(matrix)
    either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
    there = either > 0
    if not there.any():
        return float('nan')
    return float((both[there] / either[there]).mean())
