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
    from mmerf.apis.cli_options import (
        add_measurement_options,
        run_erf_arguments,
    )
    from mmerf.apis.launch import LAUNCHERS, join_processes
    from mmerf.apis.progress import show_progress
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
        description='Measure the effective receptive fields of a '
        "segmentation model's layers; write maps, figures and statistics."
    )
    add_measurement_options(parser)
    add = parser.add_argument
    add(
        '--list-layers',
        nargs='?',
        const='**',
        metavar='GLOB',
        help='print the layers that can be measured, those that match GLOB or '
        'all, and measure nothing (default: measure)',
    )
    add(
        '--num-images',
        type=number_or_auto,
        default=50,
        metavar='N|auto',
        help='how many images to measure; auto: until the sides at shares 0.5 '
        'and 0.99 are known to --tolerance (default: %(default)s)',
    )
    add(
        '--tolerance',
        type=float,
        default=0.02,
        help='for --num-images auto: largest relative standard error of a '
        'side (default: %(default)s)',
    )
    add(
        '--max-images',
        type=int,
        default=500,
        metavar='N',
        help='for --num-images auto: stop after this many in any case '
        '(default: %(default)s)',
    )
    add(
        '--over-image',
        action='store_true',
        help='draw the maps over the mean of the images (default: maps alone)',
    )
    add(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: work_dirs/<config>/erf)',
    )
    add(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what started the processes that measure together; see '
        'tools/dist_erf.sh (default: %(default)s, one process)',
    )
    add('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def number_or_auto(text: str) -> int | str:
    """The value of --num-images."""
    return text if text == 'auto' else int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')  # other packages' warnings
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
    """Measure, write the files, print the tables."""
    check_cmap(args.cmap)
    folder = args.out_dir or Path('work_dirs') / Path(args.config).stem / 'erf'
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ConfigError(f'{folder} is a file; name a folder with --out-dir')
    with show_progress(console) as show:
        run = run_erf(
            args.config,
            args.checkpoint,
            num_images=args.num_images,
            tolerance=args.tolerance,
            max_images=args.max_images,
            **run_erf_arguments(args),
            progress=show,
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
    for image, reason in run.skipped.items():
        console.print(f'skipped {image}: {reason}', markup=False)
    for note in run.notes:
        console.print(f'note: {note}', markup=False)
    console.print(results_table(run.results))
    shapes = shapes_table(run.results)
    if shapes.row_count:
        console.print(shapes)
    for path in files[: len(files) - 2 * len(run.results)]:
        console.print(f'wrote {path}', markup=False, soft_wrap=True)
    console.print(
        f'and one .npz and one .{args.format} per layer in {folder}',
        markup=False,
        soft_wrap=True,
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
