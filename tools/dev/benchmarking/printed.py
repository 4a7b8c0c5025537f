"""Tables and lines of the benchmark's cases."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from .ways import BASES


def print_hook_costs(found: dict) -> None:
    """Validations with and without the hook, beside plain passes."""
    for name in ('without', 'with'):
        print(
            f'{name} the hook: {found[name]["steady"]:.2f} s per validation, '
            f'the first {found[name]["first"]:.2f} s'
            + (
                f', the third {found[name]["third"]:.2f} s'
                if 'third' in found[name]
                else ''
            )
        )
    print(f'{found["images"]} images measured, {found["each"]:.3f} s each')
    print(f'as many plain passes: {found["plain"]:.2f} s')
    if 'third' in found['with']:
        extra = found['with']['third'] - found['without']['third']
        share = extra / found['plain']
        print(
            f'the third validation pays {extra:.2f} s for its measurement, '
            f'{share:.2f} of the plain passes'
        )


def print_ways(found: dict) -> None:
    """The table of a case, and how its maps agree."""
    ways = found['ways']
    numbers = list(ways['plain']['over_plain'])
    table = Table(title=f'{found["case"]}, {found["machine"]}')
    names = ['way', 's per image', 'once (s)']
    names += [f'over {base}, {n}' for base in BASES for n in numbers]
    names += ['peak (MB)', 'floor (s)', 'forward / backward / rest']
    for number, name in enumerate(names):
        table.add_column(name, justify='right' if number else 'left')
    for way, cost in ways.items():
        shares = ' / '.join(f'{v:.0%}' for v in cost['shares'].values())
        floor = cost.get('floor')
        table.add_row(
            way,
            f'{cost["steady"]:.2f}',
            f'{cost["once"]:.1f}',
            *(f'{cost[f"over_{b}"][n]:.2f}' for b in BASES for n in numbers),
            f'{cost["peak_mb"]:.0f}',
            f'{floor:.2f}' if floor else '',
            shares if way not in ('bare', *BASES) else '',
        )
    Console(width=140, highlight=False).print(table)
    for way, cost in ways.items():
        for key, value in cost.get('difference', {}).items():
            where = cost['run_on'][key]
            print(
                f'{way}, {key}: {where}; off {cost["against"]} by '
                f'{value:.1e} of the peak'
            )
