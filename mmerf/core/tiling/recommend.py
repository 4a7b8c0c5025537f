"""Which window and overlap to take, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from ..statistics.texts import lower_bound
from .grid import Tiling

MOST_WORSE = 0.01  # of all pixels: one percentage point


@dataclass(frozen=True)
class Recommendation:
    """A tiling, and why it was chosen.

    Attributes:
        tiling (Tiling): The smallest window and overlap that serve.
        best (Tiling): The one with the smallest disagreement.
        reasons (tuple[str, ...]): One sentence each.
    """

    tiling: Tiling
    best: Tiling
    reasons: tuple[str, ...]


def check_within(within: float) -> float:
    """The share; raise ConfigError unless it is in [0, 1)."""
    if not 0 <= within < 1:
        raise ConfigError(
            f'within is a share of all pixels in [0, 1), not {within}; for '
            'example 0.01, one percentage point'
        )
    return float(within)


def recommend(
    tilings: Sequence[Tiling],
    shares: Sequence[float],
    within: float = MOST_WORSE,
    field: float | None = None,
    field_is_bound: bool = False,
) -> Recommendation:
    """The smallest window, then overlap, that is nearly as good as the best.

    Args:
        tilings (sequence of Tiling): At least one.
        shares (sequence of float): Of the pixels whose class differs from
            the whole image's, by tiling; each in [0, 1].
        within (float): How much larger than the smallest a share may be.
        field (float, optional): Side of the field, px, for the reasons.
        field_is_bound (bool): Whether it is only a lower bound, which images
            limit.

    Example:
        >>> tilings = [Tiling(64, 64), Tiling(64, 32), Tiling(128, 128)]
        >>> recommend(tilings, [0.05, 0.012, 0.01]).tiling
        Tiling(window=64, stride=32)
    """
    share = dict(zip(tilings, shares, strict=True))
    best = min(tilings, key=lambda one: (share[one], one.window, -one.stride))
    near = [t for t in tilings if share[t] <= share[best] + within + 1e-12]
    tiling = min(near, key=lambda one: (one.window, -one.stride))
    points = f'{100 * within:g} percentage point(s)'
    if tiling == best:
        reasons = [
            f'no other changes fewer pixels ({_as_percent(share[best])})'
        ]
    else:
        reasons = [
            f'{_as_percent(share[tiling])} of pixels change, within {points} '
            f'of the best ({best}: {_as_percent(share[best])})'
        ]
    same = [t for t in tilings if t.window == tiling.window]
    if tiling.overlap == 0 and len(same) > 1:
        reasons.append(_no_overlap(tiling, field, points, field_is_bound))
    if share[best] > within:
        reasons.append(
            f'even the best changes more than {100 * within:g} % of pixels: '
            'predict whole images where memory allows'
        )
    return Recommendation(tiling, best, tuple(reasons))


def _no_overlap(
    tiling: Tiling, field: float | None, points: str, field_is_bound: bool
) -> str:
    if field is not None and field / 2 > tiling.window:
        half = lower_bound(f'{field / 2:.0f} px', field_is_bound)
        return (
            f'no overlap helps: half of the field ({half}) is '
            f'larger than the window ({tiling.window} px)'
        )
    return f'no overlap helps by more than {points}'


def crop_and_field(
    crop: Sequence[int] | None,
    field: float | None,
    field_is_bound: bool = False,
) -> str | None:
    """Whether crops of a training hold the field, in a sentence.

    Args:
        crop (tuple[int, int], optional): (H, W) of the crops, px.
        field (float, optional): Side of the field, px.
        field_is_bound (bool): Whether it is only a lower bound, which images
            limit.

    Returns:
        str, optional: None if one of them is not known.

    Example:
        >>> print(crop_and_field((64, 64), 81))
        the training crop (64 x 64 px) is smaller than the field (81 px): \
no crop held all that a unit sees
    """
    if crop is None or field is None:
        return None
    sizes = f'the training crop ({crop[0]} x {crop[1]} px)'
    side = lower_bound(f'{field:g} px', field_is_bound)
    if min(crop) < field:
        return (
            f'{sizes} is smaller than the field ({side}): no crop held '
            'all that a unit sees'
        )
    if field_is_bound:
        return (
            f'{sizes} may be smaller than the field ({side}), which images '
            'limit'
        )
    return f'{sizes} is at least as large as the field ({side})'


def _as_percent(share: float) -> str:
    return f'{100 * share:.1f} %'
