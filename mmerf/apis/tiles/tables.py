"""The table of windows and overlaps for the terminal, and its conclusion."""

from __future__ import annotations

import math

from rich.table import Table

from ...core.statistics.texts import lower_bound
from ...core.tiling.recommend import MOST_WORSE
from ...core.tiling.result import TilingResult
from ..context.tables import with_stderr
from ..terminal.terminal_tables import tables_of


def tiles_tables(result: TilingResult) -> list[Table]:
    """Shares that change, all and next to a border; then the other numbers.

    One row per window and stride. mIoU is the fifth column where there are
    labels, else the seconds.
    """
    shown = [i for i, n in enumerate(result.pixels.sum(axis=(0, 1))) if n]
    bins = [
        f'{result.edges[i]} to {result.edges[i + 1]} px from a border (%)'
        for i in shown
    ]
    miou, seconds = result.miou(), result.seconds_per_megapixel()
    costs = list(zip(seconds, result.megabytes_per_megapixel(), strict=True))
    end = ['s / Mpx'] if miou is None else ['mIoU (%)', 's / Mpx']
    head = ['window (px)', 'stride (px)', 'all (%)', *bins[:1], *end]
    rows = [['whole', '-', *['-'] * len(['all', *bins[:1]])]]
    shares = zip(*result.disagreement(), strict=True)
    near, error = result.by_distance()
    for tiling, whole in zip(result.tilings, shares, strict=True):
        rows.append([str(tiling.window), str(tiling.stride)])
        rows[-1].append(_percent_and_error(*whole))
    for number, row in enumerate(rows):
        every = ['-'] * len(shown)
        if number:
            every = [
                _percent_and_error(near[number - 1, i], error[number - 1, i])
                for i in shown
            ]
            row += every[:1]
        if miou is not None:
            row.append(f'{100 * miou[number]:.1f}')
        row += [*_costs(*costs[number])[:1], *every[1:]]
        row += _costs(*costs[number])[1:]
    return tables_of(
        'Pixels that get another class than in whole images',
        [*head, *bins[1:], 'MB / Mpx'],
        rows,
        names=2,
    )


def conclusion(result: TilingResult, within: float = MOST_WORSE) -> list[str]:
    """What to take and why, one line each."""
    found = result.recommendation(within)
    lines = [f'recommended: {found.tiling}: {"; ".join(found.reasons)}']
    miou = result.miou()
    if miou is not None:
        there = miou[1 + result.tilings.index(found.tiling)]
        lines.append(
            f'mIoU: {100 * there:.1f} % there, {100 * miou[0]:.1f} % on whole '
            'images'
        )
    if result.sides:
        squares = ', '.join(
            f'{100 * float(share):g} % in '
            + lower_bound(f'{side:g} px', share in result.bounds)
            for share, side in result.sides.items()
        )
        lines.append(f'the field: of the ERF of {result.layer}, {squares}')
    crop = result.crop_and_field()
    return [*lines, *([crop] if crop else [])]


def _costs(seconds: float, megabytes: float) -> list[str]:
    if math.isnan(seconds):
        return ['-', '-']
    return [f'{seconds:.2f}', f'{megabytes:.0f}']


def _percent_and_error(mean: float, error: float) -> str:
    if math.isnan(mean):
        return '-'
    return with_stderr(100 * mean, 100 * error, '.1f')
