"""Vary settings: python tools/sweep_erf.py CONFIG [CKPT] --vary KEY=V1,V2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import (
        add_measurement_options,
        look_of,
        run_erf_arguments,
    )
    from mmerf.apis.terminal.command import parsed, print_line, run_command
    from mmerf.apis.terminal.model_options import chosen_model
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure every combination of some settings of a config '
        'on the same images and units, and compare them.'
    )
    add_measurement_options(
        parser,
        default_target='the unit nearest to the middle pixel of the smallest '
        'image',
    )
    add = parser.add_argument
    add(
        '--vary',
        action='append',
        required=True,
        metavar='KEY=V1,V2',
        help='a config key and the values to measure; give the option once '
        'per key (required)',
    )
    add(
        '--num-images',
        type=int,
        default=50,
        metavar='N',
        help='how many images to measure per combination (default: '
        '%(default)s)',
    )
    add('--title', help='title of the figure (default: none)')
    add(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: work_dirs/<config>/sweep)',
    )
    add(
        '--force',
        action='store_true',
        help='compare combinations even if their definitions differ, such as '
        'sliding windows and whole images (default: stop)',
    )
    return parsed(parser, argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: measure(args, console))


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the table."""
    from mmerf.apis.terminal.progress import show_progress

    chosen = chosen_model(args)
    look = look_of(args)
    arguments = run_erf_arguments(args)
    from mmerf.apis import sweep_erf
    from mmerf.apis.sweep.vary import parse_vary
    from mmerf.apis.terminal.terminal_tables import comparison_table

    folder = args.out_dir or Path('work_dirs') / chosen.name / 'sweep'
    with show_progress(console) as show:
        sweep = sweep_erf(
            chosen.config,
            chosen.checkpoint,
            vary=parse_vary(args.vary),
            out_dir=folder,
            num_images=args.num_images,
            look=look,
            suffix=args.format,
            title=args.title,
            force=args.force,
            **arguments,
            progress=show,
            say=lambda text: print_line(console, text),
        )
    for note in sweep.notes:
        print_line(console, f'note: {note}')
    console.print(comparison_table(sweep.comparison))
    for path in sweep.files:
        print_line(console, f'wrote {path}', wrap=False)
    print_line(
        console,
        f'and one folder per combination in {folder}',
        wrap=False,
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
