"""Tables of variants for the terminal: what was changed, what that did."""

from __future__ import annotations

from rich.table import Table

from ...core.results.erf_result import ERFResult
from ...core.statistics import Number
from ..terminal.terminal_tables import tables_of
from .changes import WHOLE_MODEL, changes_of, changing_numbers
from .variants import Sweep


def sweep_tables(sweep: Sweep) -> list[Table]:
    """What ``sweep_erf.py`` prints: settings, then sizes, as columns.

    Every number has, in brackets, its difference to the first combination's
    of the same layer. Gaps are named in the warnings.
    """
    runs = sweep.comparison.runs
    first = next(r for run in runs.values() for r in run.values())
    numbers = changing_numbers(first.shares)
    settings = list(
        dict.fromkeys(k for s in sweep.settings.values() for k in s)
    )
    several = len(sweep.comparison.layers) > 1
    rows: list[list[str]] = []
    base: dict[str, ERFResult] = {}
    for name, run in sweep.runs.items():
        for layer, result in run.results.items():
            base.setdefault(layer, result)
            rows.append(
                [
                    *(sweep.settings[name].get(key, '') for key in settings),
                    *([layer] if several else []),
                    *_with_changes(numbers, base[layer], result),
                ]
            )
    return tables_of(
        'Sweep (difference to the first row'
        f'{" of the layer" if several else ""})',
        [
            *settings,
            *(['layer'] if several else []),
            *(number.heading for _, number in numbers),
        ],
        rows,
        names=min(len(settings) + several, 3),
    )


def changes_tables(sweep: Sweep) -> list[Table]:
    """What ``erf.py --each-without`` prints; gaps are in the warnings."""
    first = next(iter(sweep.runs[WHOLE_MODEL].results.values()))
    numbers = [number for _, number in changing_numbers(first.shares)]
    rows = []
    for row in changes_of(sweep):
        if row['note']:
            continue
        off = row['without']
        cells = [f'{off} ({row["way"]})' if off else '-', row['layer']]
        for number in numbers:
            change = row[f'{number.key}_change'] if off else None
            bound = bool(row.get(f'{number.key}_is_bound'))
            cells.append(_changed(number, row[number.key], change, bound))
        parts = [
            row[k] if off else None for k in ('elsewhere', 'total_change')
        ]
        cells.insert(4, _in_percent(parts[0], '.1f'))
        rows.append([*cells, _in_percent(parts[1], '+.1f')])
    headings = [number.heading for number in numbers]
    headings.insert(2, 'elsewhere')
    return tables_of(
        'Without each module (change from the whole model)',
        ['without', 'layer', *headings, 'total'],
        rows,
        names=2,
    )


def _with_changes(
    numbers: list[tuple[str, Number]], base: ERFResult, result: ERFResult
) -> list[str]:
    before, after = base.statistics(), result.statistics()
    cells = []
    for family, number in numbers:
        old, new = number.value(before[family]), number.value(after[family])
        known = result is not base and None not in (old, new)
        change = new - old if known else None
        bound = number.is_bound(after[family])
        cells.append(_changed(number, new, change, bound))
    return cells


def _changed(
    number: Number, value: float | None, change: float | None, bound: bool
) -> str:
    text = number.format_value(value, bound=bound)
    if change is None:
        return text
    return f'{text} ({format(change, f"+{number.form}")})'


def _in_percent(part: float | None, form: str) -> str:
    return '-' if part is None else f'{format(part * 100, form)} %'
