"""Which squares a figure shows, and how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from ...core.results.erf_result import ERFResult
from ...core.statistics import headline_shares
from .look import Look
from .style import CONTOUR_LINES, SQUARE_LINES

SquareLine = tuple[str, str]  # colour and dash


def drawn_shares(result: ERFResult, look: Look | None = None) -> list[float]:
    """Shares whose squares a figure shows.

    0.5 and 0.99 where measured; with contours all shares, the smallest
    first.
    """
    if look is not None and look.contours:
        return sorted(result.shares)
    return headline_shares(result.shares)


def square_lines(shares: Sequence[float]) -> dict[float, SquareLine]:
    """Colour and dash of each share's square; the usual two keep theirs."""
    usual = headline_shares(shares) if shares else []
    lines = dict(zip(usual, SQUARE_LINES, strict=False))
    others = cycle(CONTOUR_LINES)
    return {share: lines.get(share) or next(others) for share in shares}
