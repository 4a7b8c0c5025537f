"""Where an element sits, and whether it has joined the whole of an axis.

A sliding window counts with its middle tap alone. What joins more places,
such as attention or a mean, sits in the middle of them, unless each of its
outputs reads from the first to the last of all places at once: that is the
whole axis, however long it is. A chain of attention windows that fills an
image joins it in many steps, and ends somewhere on a longer one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import NOTHING, Spans

WHOLE = 2.0**40  # joins the whole axis in one operation
UNKNOWN = 2.0**39  # may join anything, by an operation without a rule
SPREAD = 1 / 4  # of a strip: places that are nearer are no whole axis
NEAR_END = 1 / 8  # of all places: one there is the first or the last


def is_whole(last: float) -> bool:
    """Whether a site's last number tells of a whole axis."""
    return last > (UNKNOWN + WHOLE) / 2


def is_unknown(last: float) -> bool:
    """Whether nothing is known of a site."""
    return UNKNOWN / 2 < last < (UNKNOWN + WHOLE) / 2


def with_sites(spans: Spans, sites: list[Tensor]) -> Spans:
    """Spans with other sites."""
    return [*spans[:2], *sites, *spans[4:]]


def marked(spans: Spans, mark: float) -> Spans:
    """Spans whose sites are all ``WHOLE`` or all ``UNKNOWN``."""
    sites = torch.full_like(spans[2], mark)
    return with_sites(spans, [sites, sites])


def joined_sites(
    spans: Spans, sources: list[Spans], length: int
) -> tuple[Spans, bool]:
    """Spans after an operation that joins places, with sites of their own.

    Args:
        spans (list of Tensor): From the operation's rule; a site runs from
            the first to the last place that was joined.
        sources (list of Spans): Of what the operation reads.
        length (int): Of the strip, in px.

    Returns:
        tuple[Spans, bool]: And whether some places were joined, but not all.
    """
    first, last = spans[2:4]
    if _reads_all(first, last, sources, length):
        return marked(spans, WHOLE), False
    free = _is_free(last)
    sites = [
        torch.where(free, sign * (last - first) / 2, n)
        for sign, n in ((-1, first), (1, last))
    ]
    wide = max((_widest(s[2], s[3]) for s in sources), default=0.0)
    return with_sites(spans, sites), _widest(first, last) > wide


def _is_free(last: Tensor) -> Tensor:
    """Where sites are places."""
    return (last > NOTHING) & (last < UNKNOWN / 2)


def _widest(first: Tensor, last: Tensor) -> float:
    """The widest site, in px."""
    width = (first + last).masked_fill(~_is_free(last), 0)
    return float(width.max()) if width.numel() else 0.0


def _reads_all(
    first: Tensor, last: Tensor, sources: list[Spans], length: int
) -> bool:
    """Whether all outputs read from the first place to the last."""
    before = [_ends(s[2], s[3]) for s in sources if s[2].numel()]
    if not before:
        return False
    low, high = min(e[0] for e in before), max(e[1] for e in before)
    spread = high - low
    if not SPREAD * length <= spread < UNKNOWN / 2:
        return False
    latest, earliest = _ends(first, last, inner=True)
    near = NEAR_END * spread
    return latest <= low + near and earliest >= high - near


def _ends(
    first: Tensor, last: Tensor, inner: bool = False
) -> tuple[float, float]:
    """The first and the last place; with ``inner``, that all sites reach."""
    known = last > NOTHING
    if not inner:
        return -float(first.max()), float(last.max())
    return (
        -float(torch.where(known, first, float('inf')).min()),
        float(torch.where(known, last, float('inf')).min()),
    )
