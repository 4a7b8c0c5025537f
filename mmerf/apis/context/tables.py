"""Tables of context curves for the terminal."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from ...core.context.ranking import RankingResult
from ...core.context.result import ContextResult
from ...core.errors import printable
from ...core.statistics.texts import lower_bound, with_error
from ..terminal.terminal_tables import tables_of

_NOT_WITHIN = 'not within the image'


def with_stderr(mean: float, error: float, form: str = '.2f') -> str:
    """A number with its standard error.

    Example:
        >>> with_stderr(1.0, 0.25), with_stderr(1.0, float('nan'))
        ('1.00 ± 0.25', '1.00')
    """
    return with_error(format(mean, form), error, form)


def sides_table(result: ContextResult) -> Table:
    """Smallest sides by the share of units that flip, and the ERF's sides."""
    table = Table(
        title=f'Context that units of {printable(result.layer)} need'
    )
    table.add_column('wanted')
    table.add_column('side (px)', justify='right')
    table.add_column('units that flip there', justify='right')
    mean, error = result.curve('keep_flips')
    for threshold, side in result.flip_sides().items():
        wanted = f'at most {100 * threshold:g} % of units flip'
        if side is None:
            table.add_row(wanted, _NOT_WITHIN, '-')
            continue
        at = result.sides.index(side)
        share = with_stderr(100 * mean[at], 100 * error[at], '.1f')
        table.add_row(wanted, str(side), f'{share} %')
    for share, entry in (result.erf_sides or {}).items():
        reaches = entry.get('reaches_edge', False)
        text = lower_bound(entry['side'], reaches)
        text = with_error(text, entry['stderr'])
        table.add_row(f'{100 * float(share):g} % of the ERF', text, '-')
    return table


def curves_tables(result: ContextResult) -> list[Table]:
    """The four curves and the share of the ERF, one row per side."""
    tables = []
    for way, title, more in (
        ('keep', 'Squares that are kept, by side', ['ERF inside (%)']),
        ('replace', 'Squares that are replaced, by side', []),
    ):
        flips, change = (
            result.curve(f'{way}_{name}') for name in ('flips', 'change')
        )
        rows = []
        for i, side in enumerate(result.sides):
            inside = '-'
            if len(result.mass):
                place = min(side // 2, len(result.mass) - 1)
                inside = f'{100 * result.mass[place]:.1f}'
            rows.append(
                [
                    str(side),
                    with_stderr(100 * flips[0][i], 100 * flips[1][i], '.1f'),
                    with_stderr(change[0][i], change[1][i]),
                    *([inside] if more else []),
                ]
            )
        head = ['side (px)', 'units that flip (%)', 'change (std)', *more]
        tables += tables_of(title, head, rows)
    return tables


def ranking_table(result: RankingResult) -> Table:
    """Attributions, the most faithful first."""
    table = Table(
        title=f'Faithfulness at {printable(result.layer)} (std of the logit)'
    )
    table.add_column('attribution', overflow='fold')
    table.add_column('area above chance', justify='right')
    table.add_column('less than the first', justify='right')
    for row in result.ranked():
        table.add_row(
            Text(printable(row['name'])),
            with_stderr(row['faithfulness'], _or_nan(row['stderr']), '.3f'),
            with_stderr(row['less'], _or_nan(row['less_stderr']), '.3f'),
        )
    return table


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
