"""Compare several runs: python tools/compare_erf.py RUN RUN."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from mmerf.apis.terminal.cli_options import add_statistics_option
    from mmerf.apis.terminal.command import (
        parsed,
        print_line,
        print_notes,
        run_command,
    )
    from mmerf.apis.terminal.tool_parser import ToolParser, look_of
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console

    from mmerf.apis.result_folder import ResultFolder
    from mmerf.core.results.erf_result import ERFResult


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(
        'RUN [RUN ...] [options]',
        'Draw several runs in one figure, runs down and layers across, on one '
        'scale; write the numbers as tables.',
        [
            'RUN RUN --names FCN SegFormer --out compare.pdf',
            'A.pth B.pth --layers decode_head --width column --style paper',
            'RUN --growth --out growth.gif',
        ],
        'RUN is an out dir of tools/erf.py, the erf folder of a '
        "training's vis_data (its last step, or RUN@STEP), one .npz, or a "
        'checkpoint, which is measured first, with --config or the config '
        'that MMEngine has written beside it.',
    )
    parser.adder('what')(
        'runs', nargs='+', metavar='RUN', help='results to compare; see below'
    )
    parser.adder('output')(
        '--out',
        metavar='FILE',
        help='the figure (.png, .pdf or .svg); tables go beside it as .md, '
        '.csv, .tex and .areas.tex, the area ratios that papers print '
        '(default: compare.png in work_dirs/compare/<names>, or '
        'growth.png in work_dirs/growth/<names>)',
    )
    parser.adder('what')(
        '--names',
        nargs='+',
        metavar='NAME',
        help='names of the runs, one per run (default: the parts of their '
        'paths that differ)',
    )
    parser.adder('what')(
        '--layers',
        nargs='+',
        metavar='LAYER',
        help='only these layers, in this order (default: all)',
    )
    parser.adder('picture')(
        '--growth',
        action='store_true',
        help='instead draw sides and ERF size over the steps of trainings, '
        'or their maps step by step if --out ends in .gif or .mp4; no tables '
        '(default: compare maps)',
    )
    parser.adder('picture')(
        '--layout',
        choices=('rows', 'columns', 'before-after'),
        help='one run per row or per column; or two rows, before training '
        'and after it, with one model per column: RUNs are trainings, whose '
        'first and last step are shown, or results in pairs, before and '
        'after (default: what takes fewer rows of maps)',
    )
    parser.adder('picture')(
        '--title', help='title of the figure (default: none)'
    )
    parser.adder('what')(
        '--config',
        help='config of the RUNs that are checkpoints (default: the only .py '
        'file beside each)',
    )
    parser.adder('images')(
        '--img-dir',
        metavar='PATH',
        help='measure checkpoints on the images of this folder, or on one '
        "file (default: their config's validation set)",
    )
    parser.adder('images')(
        '--num-images',
        type=int,
        default=50,
        metavar='N',
        help='how many images to measure of each checkpoint (default: '
        '%(default)s)',
    )
    parser.add_look_options()
    parser.adder('what')(
        '--force',
        action='store_true',
        help='compare runs even if their definitions differ, such as target, '
        'attribution or precision (default: refuse)',
    )
    add_statistics_option(parser)
    parser.add_output_options('every other number')
    return parsed(parser, argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: show(args, console))


def show(args: argparse.Namespace, console: Console) -> int:
    """Write the files, print the table and their paths."""
    from mmerf.apis.result_folder import write_record
    from mmerf.core.errors import ConfigError
    from mmerf.core.statistics import add_statistics

    if args.growth and args.layout:
        raise ConfigError(
            '--layout arranges maps of a comparison; leave it out with '
            '--growth'
        )
    add_statistics(args.statistics)
    kind = 'growth' if args.growth else 'compare'
    place = None
    if args.out is None:
        place = default_folder(args, kind, console)
        args.out = str(place.path / f'{kind}.png')
    files = grow(args) if args.growth else draw(args, console)
    if place:
        record = place.path / f'{kind}.json'
        files.append(write_record(record, {}, files, place.measured))
    for path in files:
        print_line(console, f'wrote {path}', wrap=False)
    return 0


def default_folder(
    args: argparse.Namespace, kind: str, console: Console
) -> ResultFolder:
    """A folder that is named after the runs, and holds no other result."""
    from mmerf.apis.compare.read_runs import run_names
    from mmerf.apis.result_folder import result_folder

    folder = result_folder(
        None,
        Path('work_dirs') / kind,
        args.names or run_names(args.runs),
        f'{kind}.json',
        {
            'runs': args.runs,
            'names': args.names,
            'layers': args.layers,
            'before_after': args.layout == 'before-after',
            'config': args.config,
            'img_dir': args.img_dir,
        },
    )
    if folder.note:
        print_line(console, f'note: {folder.note}')
    return folder


def grow(args: argparse.Namespace) -> list:
    """Write the sides over the steps of trainings, or an animation."""
    if args.out.endswith(('.gif', '.mp4')):
        from mmerf.apis.compare.animation import write_animation

        return write_animation(
            args.runs,
            args.out,
            names=args.names,
            layers=args.layers,
            title=args.title,
            force=args.force,
            **look_of(args),
        )
    from mmerf.apis.compare.growth import write_growth

    return write_growth(
        args.runs,
        args.out,
        names=args.names,
        layers=args.layers,
        title=args.title,
        width=args.width,
        force=args.force,
    )


def draw(args: argparse.Namespace, console: Console) -> list:
    """Write the figure and tables of the runs, print the table."""
    from mmerf.apis.compare.before_after import before_after
    from mmerf.apis.compare.comparison import compare, write_comparison
    from mmerf.apis.terminal.terminal_tables import comparison_tables

    look = look_of(args)
    what: dict[str, Any] = {
        'names': args.names,
        'layers': args.layers,
        'force': args.force,
        'read': lambda run: results_of(run, args, console),
    }
    if args.layout == 'before-after':
        comparison = before_after(args.runs, **what)
    else:
        comparison = compare(args.runs, layout=args.layout, **what)
    files = write_comparison(
        comparison,
        args.out,
        title=args.title,
        **look,
    )
    tables = comparison_tables(comparison)
    verbose = args.verbose or args.statistics
    for table in tables if verbose else tables[:1]:
        console.print(table)
    print_notes(console, comparison.notes)
    return files


def results_of(
    run: str, args: argparse.Namespace, console: Console
) -> dict[str, ERFResult]:
    """A run's results; those of a checkpoint are measured."""
    from mmerf.apis.compare.read_runs import read_run

    if not run.endswith(('.pth', '.pt', '.ckpt', '.safetensors')):
        return read_run(run)
    from mmerf.apis.compare.checkpoints import measure_checkpoint

    return measure_checkpoint(
        run,
        args.config,
        say=lambda text: print_line(console, text),
        layers=args.layers,
        img_dir=args.img_dir,
        num_images=args.num_images,
        theory=args.style != 'paper',
    )


if __name__ == '__main__':
    sys.exit(main())
