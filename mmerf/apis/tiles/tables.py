"""The table of windows and overlaps for the terminal, and its conclusion."""

from __future__ import annotations

import math

from rich.table import Table

from ...core.tiling.recommend import MOST_WORSE, crop_and_field
from ...core.tiling.result import TilingResult
from ..context.tables import with_stderr


def tiles_table(result: TilingResult) -> Table:
    """One row per window and stride: shares that change, mIoU, cost."""
    table = Table(title='Pixels that get another class than in whole images')
    shown = [i for i, n in enumerate(result.pixels.sum(axis=(0, 1))) if n]
    for column in ('window', 'stride', 'all (%)'):
        table.add_column(column, justify='right')
    for i in shown:
        low, high = result.edges[i], result.edges[i + 1]
        table.add_column(f'{low} to {high} px (%)', justify='right')
    miou, seconds = result.miou(), result.seconds_per_megapixel()
    if miou is not None:
        table.add_column('mIoU (%)', justify='right')
    costs = list(zip(seconds, result.megabytes_per_megapixel(), strict=True))
    for column in ('s / Mpx', 'MB / Mpx'):
        table.add_column(column, justify='right')
    end = [] if miou is None else [f'{100 * miou[0]:.1f}']
    blank = ['-'] * (1 + len(shown))
    table.add_row('whole', '-', *blank, *end, *_costs(*costs[0]))
    shares = zip(*result.disagreement(), strict=True)
    near, error = result.by_distance()
    for number, (tiling, whole) in enumerate(
        zip(result.tilings, shares, strict=True)
    ):
        cells = [_percent_and_error(*whole)]
        cells += [
            _percent_and_error(near[number, i], error[number, i])
            for i in shown
        ]
        if miou is not None:
            cells.append(f'{100 * miou[number + 1]:.1f}')
        cells += _costs(*costs[number + 1])
        table.add_row(str(tiling.window), str(tiling.stride), *cells)
    return table


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
            f'{100 * float(share):g} % in {side:g} px'
            for share, side in result.sides.items()
        )
        lines.append(f'the field: of the ERF of {result.layer}, {squares}')
    crop = crop_and_field(result.crop_size, result.field_side)
    return [*lines, *([crop] if crop else [])]


def _costs(seconds: float, megabytes: float) -> list[str]:
    if math.isnan(seconds):
        return ['-', '-']
    return [f'{seconds:.2f}', f'{megabytes:.0f}']


def _percent_and_error(mean: float, error: float) -> str:
    if math.isnan(mean):
        return '-'
    return with_stderr(100 * mean, 100 * error, '.1f')
