"""Means over images, which are the independent sample."""

from __future__ import annotations

import numpy as np


def mean_and_stderr(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the first axis and its standard error, without NaNs.

    Args:
        values (np.ndarray): Shape (images, ...), independent along the first
            axis; NaN where an image has no value.

    Returns:
        tuple: The mean, NaN where no image has a value; and the sample's
        standard deviation over the root of its number, NaN for fewer than
        two.

    Example:
        >>> mean, error = mean_and_stderr(np.array([1.0, np.nan, 3.0]))
        >>> float(mean), float(error)
        (2.0, 1.0)
    """
    there = np.isfinite(values)
    count = there.sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = np.where(there, values, 0).sum(axis=0) / count
        squares = np.where(there, values - mean, 0) ** 2
        variance = squares.sum(axis=0) / np.where(count > 1, count - 1, np.nan)
        return mean, np.sqrt(variance / count)
