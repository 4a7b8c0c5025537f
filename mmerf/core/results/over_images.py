"""Over images: means, and what all of them reach."""

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


def common_frame(
    coverage: np.ndarray, center_yx: tuple[int, int]
) -> tuple[int, int, int, int]:
    """First and last row, first and last column that every image reaches.

    Args:
        coverage (np.ndarray): How many images' frames reach a pixel, (H, W);
            each frame is a rectangle that holds the centre.
        center_yx (tuple[int, int]): The unit's whole pixel.

    Example:
        >>> common_frame(np.array([[1, 2, 2, 1], [1, 1, 1, 1]]), (0, 1))
        (0, 0, 1, 2)
    """
    y, x = center_yx
    most = coverage[y, x] * (1 - 1e-9)  # shares of units add up with rounding
    rows = np.flatnonzero(coverage[:, x] >= most)
    columns = np.flatnonzero(coverage[y] >= most)
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
