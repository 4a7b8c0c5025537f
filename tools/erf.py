"""Measure effective receptive fields: python tools/erf.py CONFIG [CKPT].

Without a config: python tools/erf.py --module PATH --img-dir PHOTOS.
"""

from __future__ import annotations

import argparse
import os
import re
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
    from mmerf.apis.terminal.launch import LAUNCHERS, is_main, join_processes
    from mmerf.apis.terminal.model_options import ChosenModel, chosen_model
    from mmerf.core.errors import ConfigError
    from mmerf.core.options import BY_CLASS
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


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
        '--each-without',
        nargs='+',
        metavar='GLOB',
        help='measure the whole model, then without each module that matches, '
        'one after the other, as --without takes them, and compare (default: '
        'measure once)',
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
        help='draw the maps over the photograph, in colour, or over the mean '
        'of several (default: maps alone)',
    )
    add(
        '--per-image',
        action='store_true',
        help='also write the map, figure and numbers of every image, '
        'images.csv and a folder images/<number>_<name> each (default: the '
        'mean alone)',
    )
    add(
        '--by-class',
        nargs='?',
        const='prediction',
        choices=BY_CLASS,
        help='also find, for each class, which share of its contributions '
        'lies in its own segment, elsewhere in the class and in every other '
        'class, by prediction (default: leave it out; scores the largest '
        'component of every class unless --target says which)',
    )
    add(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: work_dirs/<config>/erf, or '
        'erf_without_NAME, or each_without)',
    )
    add(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what started the processes that measure together; see '
        'tools/dist_erf.sh (default: %(default)s, one process)',
    )
    add('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)
    return parsed(parser, argv)


def number_or_auto(text: str) -> int | str:
    """The value of --num-images."""
    return text if text == 'auto' else int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: work(args, console))


def work(args: argparse.Namespace, console: Console) -> int:
    """List layers, or measure them."""
    join_processes(args.launcher)
    console.quiet = not is_main()
    chosen = chosen_model(args)
    if args.each_without:
        return measure_each_without(args, chosen, console)
    if not args.list_layers:
        return measure(args, chosen, console)
    from mmerf.apis import layers_from_config
    from mmerf.apis.terminal.terminal_tables import layers_table

    layers = layers_from_config(
        chosen.config,
        args.list_layers,
        input_size=args.input_size,
        device=args.device,
        cfg_options=args.cfg_options,
        trust_checkpoint=args.trust_checkpoint,
    )
    console.print(layers_table(layers))
    return 0


def measure(
    args: argparse.Namespace, chosen: ChosenModel, console: Console
) -> int:
    """Measure, write the files, print the tables."""
    from mmerf.apis.terminal.progress import show_progress

    look = look_of(args)
    arguments = run_erf_arguments(args)
    from mmerf.apis import check_out_folder, run_erf, write_report
    from mmerf.apis.terminal.context_tables import contexts_table
    from mmerf.apis.terminal.terminal_tables import (
        results_table,
        shapes_table,
    )

    place = '_without_'.join(['erf', *(args.without or [])[:3]])
    place = re.sub(r'[^\w.=-]+', '_', place)[:80].rstrip('_')
    folder = args.out_dir or Path('work_dirs') / chosen.name / place
    if args.out_dir or os.path.exists(folder):
        check_out_folder(folder)
    with show_progress(console) as show:
        run = run_erf(
            chosen.config,
            chosen.checkpoint,
            num_images=args.num_images,
            tolerance=args.tolerance,
            max_images=args.max_images,
            per_image=args.per_image,
            by_class=args.by_class,
            **arguments,
            progress=show,
            say=lambda text: print_line(console, text),
        )
    if not is_main():
        return 0
    try:
        files = write_report(
            run,
            folder,
            suffix=args.format,
            over_image=args.over_image,
            **look,
        )
    except OSError as error:
        raise ConfigError(
            f'{folder} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    for image, reason in run.skipped.items():
        print_line(console, f'skipped {image}: {reason}')
    for note in run.notes:
        print_line(console, f'note: {note}')
    console.print(results_table(run.results))
    shapes = shapes_table(run.results)
    if shapes.row_count:
        console.print(shapes)
    if run.by_class:
        console.print(contexts_table(run.by_class))
    for path in files[: len(files) - 2 * len(run.results)]:
        print_line(console, f'wrote {path}', wrap=False)
    print_line(
        console,
        f'and one .npz and one .{args.format} per layer in {folder}',
        wrap=False,
    )
    if run.images:
        print_line(console, f'and one folder per image in {folder}/images')
    return 0


def measure_each_without(
    args: argparse.Namespace, chosen: ChosenModel, console: Console
) -> int:
    """Measure without one module after the other; print the changes."""
    folder = args.out_dir or Path('work_dirs') / chosen.name / 'each_without'
    other = [
        option
        for option, given in (
            ('--per-image', args.per_image),
            ('--over-image', args.over_image),
            ('--by-class', args.by_class),
            ('--num-images auto', args.num_images == 'auto'),
            ('--list-layers', args.list_layers),
            ('--launcher', args.launcher != 'none'),
        )
        if given
    ]
    if other:
        raise ConfigError(
            f'--each-without does not go with {other[0]}; leave one out'
        )
    from mmerf.apis.sweep.each_without import erf_each_without
    from mmerf.apis.terminal.progress import show_progress
    from mmerf.apis.terminal.terminal_tables import changes_table

    with show_progress(console) as show:
        found = erf_each_without(
            chosen.config,
            chosen.checkpoint,
            each=args.each_without,
            out_dir=folder,
            num_images=args.num_images,
            look=look_of(args),
            suffix=args.format,
            **run_erf_arguments(args),
            progress=show,
            say=lambda text: print_line(console, text),
        )
    for note in found.notes:
        print_line(console, f'note: {note}')
    console.print(changes_table(found))
    for path in found.files:
        print_line(console, f'wrote {path}', wrap=False)
    print_line(console, f'and one folder per module in {folder}', wrap=False)
    return 0


if __name__ == '__main__':
    sys.exit(main())
