"""Time and memory of measuring.

    python tools/dev/benchmark.py --case pspnet-512
    python tools/dev/benchmark.py --families --sizes 256 --numbers 1 10

``--families`` times a careful user's loop and mmerf in turn on one model of
every family of mmseg, and says how far the maps differ. It goes on where it
was stopped, anew after ``rm -r work_dirs/benchmark``.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarking.cases import CASES
from benchmarking.clocks import CLOCKS
from benchmarking.comparison import NUMBERS, compare_ways
from benchmarking.families import RESULTS, cells, run_cells
from benchmarking.family_models import names_of
from benchmarking.family_results import summaries, table
from benchmarking.printed import print_hook_costs, print_ways
from rich.console import Console

from mmerf.core.errors import ERFError

SIZES = {'mmseg': ['256', '512', '411x549'], 'timm': ['224']}
HOOK_IMAGES = 10


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Compare the cost of mmerf with that of plain loops and '
        'of the scripts in use, or time validations with and without ERFHook.'
    )
    parser.add_argument(
        '--case',
        choices=[*CASES, 'hook'],
        default='pspnet-512',
        help='model and image size to measure; hook: validations with and '
        'without ERFHook (default: %(default)s)',
    )
    parser.add_argument(
        '--config',
        help='for --case hook: a config whose data exist (default: PSPNet on '
        'photographs of 512 x 1024, which are made for it)',
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
        '--families',
        nargs='*',
        metavar='NAME',
        help='instead of a case: one model of each of these families of '
        'mmseg, by a plain loop and by mmerf in turn (default: a case; '
        'without a name: all families)',
    )
    parser.add_argument(
        '--timm',
        action='store_true',
        help="with --families: timm's models instead, and their stages; "
        'needs the environment of tools/dev/agreement/timm_env.sh (default: '
        'mmseg)',
    )
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=size_of,
        metavar='SIZE',
        help='with --families: sizes of the images, S or HxW (default: '
        f'{" ".join(SIZES["mmseg"])}; with --timm {SIZES["timm"][0]})',
    )
    parser.add_argument(
        '--layers',
        choices=('backbone', 'default'),
        default='backbone',
        help='with --families: all outputs of the backbone, or what mmerf '
        'measures by default (default: %(default)s)',
    )
    parser.add_argument(
        '--inputs',
        choices=('noise', 'photographs'),
        default='noise',
        help='with --families: what is on the images (default: %(default)s)',
    )
    parser.add_argument(
        '--rounds',
        type=int,
        default=3,
        metavar='N',
        help='with --families: how often both ways are timed; the median '
        'ratio counts (default: %(default)s)',
    )
    parser.add_argument(
        '--numbers',
        nargs='+',
        type=int,
        metavar='N',
        help='numbers of images of the runs that are compared (default: 1 '
        f'with --families, {HOOK_IMAGES} for --case hook, else '
        f'{" ".join(map(str, NUMBERS))})',
    )
    parser.add_argument(
        '--clock',
        choices=tuple(CLOCKS),
        default='wall',
        help='with --families and --case hook: whose seconds count; cpu for '
        'a machine that is busy (default: %(default)s)',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='print the numbers as JSON (default: a table)',
    )
    return parser.parse_args()


def size_of(text: str) -> tuple[int, int]:
    """(H, W) of 'S' or 'HxW'."""
    sides = [int(side) for side in text.split('x')]
    if len(sides) > 2:
        raise ValueError(text)
    return sides[0], sides[-1]


def compare_families(args: argparse.Namespace) -> None:
    """Time every family, and print the table."""
    kind = 'timm' if args.timm else 'mmseg'
    known = names_of(kind)
    unknown = sorted(set(args.families) - set(known))
    if unknown:
        sys.exit(f'unknown: {", ".join(unknown)}; known: {", ".join(known)}')
    wanted = cells(
        kind,
        args.families or known,
        args.sizes or [size_of(text) for text in SIZES[kind]],
        args.numbers or [1],
        'stages' if args.timm else args.layers,
        args.inputs,
        args.rounds,
    )
    records = run_cells(wanted, args.clock, RESULTS)
    if args.json:
        print(json.dumps(records, indent=1))
        return
    console = Console(width=140, highlight=False)
    console.print(table(records, args.clock))
    for line in summaries(records, args.clock):
        print(line)


def time_hook(args: argparse.Namespace) -> None:
    """Time validations with and without the hook."""
    from benchmarking.hook_costs import hook_costs  # needs mmengine

    count = (args.numbers or [HOOK_IMAGES])[0]
    try:
        found = hook_costs(args.config, args.images, count, args.clock)
    except ERFError as error:
        sys.exit(f'error: {error}')
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print_hook_costs(found)


def main() -> int:
    """Run what was asked for."""
    args = parsed()
    if args.families is not None or args.timm:
        args.families = args.families or []
        compare_families(args)
    elif args.case == 'hook':
        time_hook(args)
    else:
        numbers = args.numbers or NUMBERS
        found = compare_ways(
            args.case, args.images, args.scripts_images, numbers
        )
        if args.json:
            print(json.dumps(found, indent=1))
        else:
            print_ways(found)
    return 0


if __name__ == '__main__':
    sys.exit(main())
