"""Put results beside each other: python tools/compare_erf.py RUN RUN."""

from __future__ import annotations

import argparse
import sys
import warnings

from rich.console import Console

from mmerf.core.errors import ERFError
from mmerf.plots.drawing.normalization import NORMALIZATIONS
from mmerf.plots.drawing.style import CMAP

try:
    from mmerf.apis.compare.comparison import compare, write_comparison
    from mmerf.apis.compare.growth import write_growth
    from mmerf.apis.terminal_tables import comparison_table
except ERFError as error:  # mmengine, mmcv or mmseg is not installed
    sys.exit(f'error: {error}')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='One figure and table of several runs: runs down, layers '
        'across, on one scale.',
        epilog='RUN is an out dir of tools/erf.py, the erf folder of a '
        "training's vis_data (its last step, or RUN@STEP), or one .npz.",
    )
    add = parser.add_argument
    add('runs', nargs='+', metavar='RUN')
    add(
        '--out',
        default='compare.png',
        help='the figure (.png, .pdf, .svg); tables go beside it as .md, '
        '.csv and .tex',
    )
    add('--names', nargs='+', help='what to call the runs, one name each')
    add('--layers', nargs='+', metavar='LAYER', help='only these, in order')
    add(
        '--growth',
        action='store_true',
        help='sides and size over the steps of each training instead',
    )
    add('--title', help='over the figure')
    add('--normalization', choices=list(NORMALIZATIONS), default='power')
    add('--cmap', default=CMAP, help='any matplotlib colour map')
    add(
        '--force',
        action='store_true',
        help='also where the runs measured different things',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')  # the packages', not ours
    piped = not sys.stdout.isatty()
    console = Console(width=140 if piped else None, highlight=False)
    try:
        files = grow(args) if args.growth else draw(args, console)
    except (ERFError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for path in files:
        console.print(f'wrote {path}', markup=False, soft_wrap=True)
    return 0


def grow(args: argparse.Namespace) -> list:
    """Write the figure of trainings over their steps."""
    return write_growth(
        args.runs,
        args.out,
        names=args.names,
        layers=args.layers,
        title=args.title,
        force=args.force,
    )


def draw(args: argparse.Namespace, console: Console) -> list:
    """Write the figure and tables of runs, print the table."""
    comparison = compare(
        args.runs, names=args.names, layers=args.layers, force=args.force
    )
    files = write_comparison(
        comparison,
        args.out,
        normalization=args.normalization,
        cmap=args.cmap,
        title=args.title,
    )
    console.print(comparison_table(comparison))
    for note in comparison.notes:
        console.print(f'note: {note}', markup=False)
    return files


if __name__ == '__main__':
    sys.exit(main())
