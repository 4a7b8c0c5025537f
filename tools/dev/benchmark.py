"""Time and memory of measuring: tools/dev/benchmark.py --case pspnet-512."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarking.cases import CASES
from benchmarking.hook_costs import hook_costs
from benchmarking.ways import RUN, compare_ways
from rich.console import Console
from rich.table import Table

from mmerf.core.errors import ERFError

COLUMNS = ('s per image', 'once (s)', f'ratio over {RUN}', 'peak (MB)')


def print_hook_costs(args: argparse.Namespace) -> int:
    """Time validations with and without the hook."""
    try:
        found = hook_costs(args.config, args.images)
    except ERFError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for name in ('without', 'with'):
        print(
            f'{name} the hook: {found[name]["steady"]:.2f} s per validation, '
            f'the first {found[name]["first"]:.2f} s'
        )
    print(f'{found["images"]} images measured, {found["each"]:.3f} s each')
    return 0


def main() -> int:
    """Run a case and print its table."""
    parser = argparse.ArgumentParser(
        description='Compare the cost of mmerf with that of the scripts in '
        'use, or time validations with and without ERFHook.'
    )
    cases = [*CASES, 'hook']
    parser.add_argument(
        '--case',
        choices=cases,
        default='pspnet-512',
        help="model and image size to measure; hook: a config's validation "
        'with and without ERFHook (default: %(default)s)',
    )
    parser.add_argument(
        '--config',
        default='configs/demo/fcn_texture.py',
        help='for --case hook: the config, whose data must exist (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=4,
        metavar='N',
        help='images to time after the first one, per way of measuring; for '
        '--case hook: validations after the first one (default: %(default)s)',
    )
    parser.add_argument(
        '--scripts-images',
        type=int,
        default=1,
        metavar='N',
        help='the same for the scripts in use, which take longer (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='print the numbers as JSON (default: a table)',
    )
    args = parser.parse_args()
    if args.case == 'hook':
        return print_hook_costs(args)
    found = compare_ways(args.case, args.images, args.scripts_images)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    table = Table(title=f'{found["case"]}, {found["machine"]}')
    names = ('way', *COLUMNS, 'floor (s)', 'forward / backward / rest')
    for number, name in enumerate(names):
        table.add_column(name, justify='right' if number else 'left')
    for way, cost in found['ways'].items():
        shares = ' / '.join(f'{v:.0%}' for v in cost['shares'].values())
        floor = cost.get('floor')
        table.add_row(
            way,
            f'{cost["steady"]:.2f}',
            f'{cost["once"]:.1f}',
            f'{cost["ratio"]:.1f}',
            f'{cost["peak_mb"]:.0f}',
            f'{floor:.2f}' if floor else '',
            shares if way not in ('bare', 'scripts') else '',
        )
    console = Console(width=110, highlight=False)
    console.print(table)
    for way, cost in found['ways'].items():
        for key, value in cost.get('difference', {}).items():
            where = cost['run_on'][key]
            console.print(
                f'{way}, {key}: {where}; off {cost["against"]} by '
                f'{value:.1e} of the peak'
            )
    return 0


if __name__ == '__main__':
    sys.exit(main())
