"""Means over images, which are the independent sample."""

from __future__ import annotations

import numpy as np


def mean_and_stderr(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the first axis, and its standard error.

    Args:
        values (np.ndarray): Shape (images, ...), independent along the first
            axis.

    Returns:
        tuple: The mean, and the sample's standard deviation over the root of
        its number; NaN for fewer than two images.

    Example:
        >>> [float(value) for value in mean_and_stderr(np.array([1.0, 3.0]))]
        [2.0, 1.0]
    """
    count = len(values)
    mean = values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, values.std(axis=0, ddof=1) / np.sqrt(count)
