"""Standard errors of sides: a leave-one-out jackknife over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pad_profiles(profiles: Sequence[np.ndarray]) -> np.ndarray:
    """Cumulative profiles of different length as one array, (n, L).

    Args:
        profiles (sequence of np.ndarray): For each image, the mass in the
            square of side ``2 i + 1`` about its unit; shorter ones go on
            with their last value.

    Returns:
        np.ndarray: Shape (n, L), with L the longest profile's length.
    """
    longest = max(len(profile) for profile in profiles)
    return np.stack(
        [np.pad(p, (0, longest - len(p)), mode='edge') for p in profiles]
    )


def interpolated_side(profiles_nl: np.ndarray, share: float) -> np.ndarray:
    """Side at which linearly interpolated profiles reach a share.

    Args:
        profiles_nl (np.ndarray): Cumulative profiles, (n, L), non-decreasing.
        share (float): Part of each profile's last value, in (0, 1].

    Returns:
        np.ndarray: Sides in pixels, (n,), continuous; NaN for a profile
        without mass.

    Example:
        >>> interpolated_side(np.array([[1.0, 9.0, 25.0]]), 0.2)
        array([2.])
    """
    total = profiles_nl[:, -1:]
    with np.errstate(invalid='ignore', divide='ignore'):
        level = profiles_nl / total
    upper = np.argmax(level >= share, axis=1)
    rows = np.arange(len(level))
    high = level[rows, upper]
    low = np.where(upper > 0, level[rows, np.maximum(upper - 1, 0)], 0.0)
    step = np.where(upper > 0, 2.0, 1.0)
    gap = np.where(high > low, high - low, 1.0)
    sides = 2.0 * upper + 1 - step * (high - share) / gap
    return np.where(total[:, 0] > 0, sides, np.nan)


def side_stderr(profiles_nl: np.ndarray, share: float) -> float | None:
    """Standard error of the mean map's side, over images.

    Args:
        profiles_nl (np.ndarray): One cumulative profile per image, (n, L).
        share (float): Part of the map's mass, in (0, 1].

    Returns:
        float, optional: In pixels; None for fewer than two images, or where
        the others of an image have no mass.

    Source: the jackknife of Tukey 1958, variance (n - 1) / n times the
    summed squared deviation of the leave-one-out values.
    """
    count = len(profiles_nl)
    if count < 2:
        return None
    rest = (profiles_nl.sum(axis=0) - profiles_nl) / (count - 1)
    sides = interpolated_side(rest, share)
    if not np.isfinite(sides).all():
        return None
    squares = float(((sides - sides.mean()) ** 2).sum())
    return float(np.sqrt((count - 1) / count * squares))


def images_worth(totals: np.ndarray) -> float:
    """How many equally bright images a mean is worth.

    Args:
        totals (np.ndarray): Each image's total contribution, (n,), >= 0.

    Returns:
        float: (sum t)^2 / sum t^2, from 1 to n; 0 where all are zero.

    Example:
        >>> images_worth(np.array([1.0, 1.0, 0.0]))
        2.0
    """
    peak = float(totals.max(initial=0.0))
    if peak == 0:
        return 0.0
    scaled = totals / peak
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def uncertainty_of(
    profiles: Sequence[np.ndarray], shares: Sequence[float]
) -> dict:
    """Standard errors of the sides, and how many images the mean is worth.

    Args:
        profiles (sequence of np.ndarray): One cumulative profile per image.
        shares (sequence of float): Shares of which sides are reported.

    Returns:
        dict: ``side``: by share, ``stderr`` (px) and ``relative`` (to the
        side); ``images_worth``. Empty without profiles.
    """
    if not profiles:
        return {}
    padded = pad_profiles(profiles)
    sides = {}
    for share in shares:
        stderr = side_stderr(padded, share)
        mean = interpolated_side(padded.mean(axis=0)[None], share)[0]
        sides[str(share)] = {
            'stderr': stderr,
            'relative': None if stderr is None else stderr / float(mean),
        }
    return {'side': sides, 'images_worth': images_worth(padded[:, -1])}
