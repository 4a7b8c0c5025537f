"""Measure effective receptive fields: python tools/erf.py CONFIG [CKPT].

Without a config: python tools/erf.py --module PATH --img-dir PHOTOS.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import (
        add_measurement_options,
        run_erf_arguments,
    )
    from mmerf.apis.terminal.command import (
        parsed,
        print_line,
        print_notes,
        run_command,
    )
    from mmerf.apis.terminal.launch import LAUNCHERS, is_main, join_processes
    from mmerf.apis.terminal.model_options import ChosenModel, chosen_model
    from mmerf.apis.terminal.out_folder import folder_of_run
    from mmerf.apis.terminal.tool_parser import ToolParser, look_of
    from mmerf.core.errors import ConfigError
    from mmerf.core.options import BY_CLASS
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(
        'CONFIG [CHECKPOINT] [options]\n'
        '       %(prog)s --module PATH --img-dir PATH [options]',
        'Measure the effective receptive fields of a segmentation model, or '
        'of any network: how much each input pixel moves a unit of a layer. '
        'Writes maps, figures and numbers.',
        [
            'CONFIG CHECKPOINT',
            'CONFIG CHECKPOINT --img-dir PHOTOS --layers backbone decode_head',
            '--module timm.create_model --module-options model_name=resnet18 '
            '--img-dir PHOTOS',
        ],
    )
    add_measurement_options(parser)
    parser.adder('what')(
        '--list-layers',
        nargs='?',
        const='**',
        metavar='GLOB',
        help='print the layers that can be measured, those that match GLOB or '
        'all, and measure nothing (default: measure)',
    )
    parser.adder('what')(
        '--each-without',
        nargs='+',
        metavar='GLOB',
        help='measure the whole model, then without each module that matches, '
        'one after the other, as --without takes them, and compare (default: '
        'measure once)',
    )
    parser.adder('images')(
        '--num-images',
        type=number_or_auto,
        default=50,
        metavar='N|auto',
        help='how many images to measure; auto: until the sides at shares 0.5 '
        'and 0.99 are known to --tolerance (default: %(default)s)',
    )
    parser.adder('images')(
        '--tolerance',
        type=float,
        default=0.02,
        help='for --num-images auto: largest relative standard error of a '
        'side (default: %(default)s)',
    )
    parser.adder('images')(
        '--max-images',
        type=int,
        default=500,
        metavar='N',
        help='for --num-images auto: stop after this many in any case '
        '(default: %(default)s)',
    )
    parser.adder('picture')(
        '--over-image',
        action='store_true',
        help='draw the maps over the photograph, in colour, or over the mean '
        'of several (default: maps alone)',
    )
    parser.adder('output')(
        '--per-image',
        action='store_true',
        help='also write the map, figure and numbers of every image, '
        'images.csv and a folder images/<number>_<name> each (default: the '
        'mean alone)',
    )
    parser.adder('question')(
        '--by-class',
        nargs='?',
        const='prediction',
        choices=BY_CLASS,
        help='also find, for each class, which share of its contributions '
        'lies in its own segment, elsewhere in the class and in every other '
        'class, by prediction (default: leave it out; scores the largest '
        'component of every class unless --target says which)',
    )
    parser.adder('output')(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: named after what is measured, '
        'work_dirs/<config>/erf/<checkpoint or init>[_<images>])',
    )
    parser.adder('speed')(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what started the processes that measure together; see '
        'tools/dist_erf.sh (default: %(default)s, one process)',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )
    parser.add_output_options('every other number')
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
    from mmerf.apis import run_erf, write_report
    from mmerf.apis.terminal.context_tables import contexts_tables
    from mmerf.apis.terminal.terminal_tables import more_tables, results_table

    place = folder_of_run(args, chosen, 'erf', 'erf.json', console)
    folder = place.path
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
            measured=place.measured,
            **look,
        )
    except OSError as error:
        raise ConfigError(
            f'{folder} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    tables = [results_table(run.results)]
    if args.verbose or args.statistics:
        tables += more_tables(run.results)
    if run.by_class:
        contexts = contexts_tables(run.by_class)
        tables += contexts if args.verbose else contexts[:1]
    for table in tables:
        console.print(table)
    print_notes(console, run.notes, run.warnings, run.skipped)
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
    from mmerf.apis.sweep.tables import changes_tables
    from mmerf.apis.terminal.progress import show_progress

    place = folder_of_run(
        args, chosen, 'each_without', 'without.json', console
    )
    with show_progress(console) as show:
        found = erf_each_without(
            chosen.config,
            chosen.checkpoint,
            each=args.each_without,
            out_dir=place.path,
            measured=place.measured,
            num_images=args.num_images,
            look=look_of(args),
            suffix=args.format,
            **run_erf_arguments(args),
            progress=show,
            say=lambda text: print_line(console, text),
        )
    tables = changes_tables(found)
    for table in tables if args.verbose else tables[:1]:
        console.print(table)
    print_notes(console, found.notes, found.warnings)
    for path in found.files:
        print_line(console, f'wrote {path}', wrap=False)
    print_line(
        console, f'and one folder per module in {place.path}', wrap=False
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
