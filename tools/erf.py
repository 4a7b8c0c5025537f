"""Measure effective receptive fields: python tools/erf.py CONFIG [CKPT]."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from rich.console import Console

from mmerf.core.errors import ConfigError, ERFError
from mmerf.plots.drawing.style import check_cmap

try:
    from mmerf.apis import layers_from_config, run_erf
    from mmerf.apis.cli_options import add_measuring, measuring
    from mmerf.apis.launch import LAUNCHERS, join_processes
    from mmerf.apis.progress import progress
    from mmerf.apis.terminal_tables import (
        layers_table,
        results_table,
        shapes_table,
    )
    from mmerf.apis.write_outputs import write_report
except ERFError as error:  # mmengine, mmcv or mmseg is not installed
    sys.exit(f'error: {error}')
from mmengine.dist import is_main_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Effective receptive fields of a segmentation model.'
    )
    add_measuring(parser)
    add = parser.add_argument
    add('--list-layers', nargs='?', const='**', metavar='GLOB')
    add('--num-images', type=number_or_auto, default=50, metavar='N|auto')
    add('--tolerance', type=float, default=0.02, help='of --num-images auto')
    add('--max-images', type=int, default=500, help='of --num-images auto')
    add('--over-image', action='store_true', help='on the mean image')
    add('--out-dir', help='default: work_dirs/<config>/erf')
    add('--launcher', choices=LAUNCHERS, default='none')
    add('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def number_or_auto(text: str) -> int | str:
    """What --num-images takes."""
    return text if text == 'auto' else int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')  # the packages', not ours
    piped = not sys.stdout.isatty()
    console = Console(width=140 if piped else None, highlight=False)
    try:
        join_processes(args.launcher)
        console.quiet = not is_main_process()
        if args.list_layers:
            layers = layers_from_config(
                args.config,
                args.list_layers,
                input_size=args.input_size,
                device=args.device,
                cfg_options=args.cfg_options,
            )
            console.print(layers_table(layers))
            return 0
        return measure(args, console)
    except ERFError as error:
        if is_main_process():
            print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted; nothing was written', file=sys.stderr)
        return 130


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the table."""
    check_cmap(args.cmap)
    folder = args.out_dir or Path('work_dirs') / Path(args.config).stem / 'erf'
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ConfigError(f'{folder} is a file; name a folder with --out-dir')
    with progress(console) as tell:
        run = run_erf(
            args.config,
            args.checkpoint,
            num_images=args.num_images,
            tolerance=args.tolerance,
            max_images=args.max_images,
            **measuring(args),
            progress=tell,
            say=lambda text: console.print(text, markup=False),
        )
    if not is_main_process():
        return 0
    try:
        files = write_report(
            run,
            folder,
            normalization=args.normalization,
            cmap=args.cmap,
            suffix=args.format,
            over_image=args.over_image,
        )
    except OSError as error:
        raise ConfigError(
            f'{folder} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    for path, reason in run.skipped.items():
        console.print(f'skipped {path}: {reason}', markup=False)
    for note in run.notes:
        console.print(f'note: {note}', markup=False)
    console.print(results_table(run.results))
    shapes = shapes_table(run.results)
    if shapes.row_count:
        console.print(shapes)
    for path in files[: len(files) - 2 * len(run.results)]:
        console.print(f'wrote {path}', markup=False, soft_wrap=True)
    each = f'one .npz and one .{args.format}'
    console.print(
        f'and {each} a layer in {folder}', markup=False, soft_wrap=True
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
