"""Vary settings: python tools/sweep_erf.py CONFIG [CKPT] --vary KEY=V1,V2."""

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
    from mmerf.apis.terminal.model_options import chosen_model
    from mmerf.apis.terminal.out_folder import folder_of_run
    from mmerf.apis.terminal.tool_parser import ToolParser, look_of
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(
        'CONFIG [CHECKPOINT] --vary KEY=V1,V2 [options]',
        'Measure every combination of some settings of a config on the same '
        'images and units, and compare them.',
        [
            "CONFIG --vary 'model.backbone.depth=18,50'",
            "CONFIG CHECKPOINT --vary 'model.backbone.dilations=(1,1,1,1),"
            "(1,1,2,4)'",
            '--module timm.create_model --module-options model_name=resnet18 '
            '--img-dir PHOTOS --vary module.output_stride=8,16,32',
        ],
    )
    add_measurement_options(
        parser,
        default_target='the unit nearest to the middle pixel of the smallest '
        'image',
    )
    parser.adder('question')(
        '--vary',
        action='append',
        required=True,
        metavar='KEY=V1,V2',
        help='a config key and the values to measure; give the option once '
        'per key (required)',
    )
    parser.adder('images')(
        '--num-images',
        type=int,
        default=50,
        metavar='N',
        help='how many images to measure per combination (default: '
        '%(default)s)',
    )
    parser.adder('picture')(
        '--title', help='title of the figure (default: none)'
    )
    parser.adder('output')(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: '
        'work_dirs/<config>/sweep/<checkpoint or init>[_<images>])',
    )
    parser.adder('output')(
        '--force',
        action='store_true',
        help='compare combinations even if their definitions differ, such as '
        'sliding windows and whole images (default: stop)',
    )
    parser.add_output_options('every other number')
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
    from mmerf.apis.sweep.tables import sweep_tables
    from mmerf.apis.sweep.vary import parse_vary

    place = folder_of_run(args, chosen, 'sweep', 'sweep.json', console)
    with show_progress(console) as show:
        sweep = sweep_erf(
            chosen.config,
            chosen.checkpoint,
            vary=parse_vary(args.vary),
            out_dir=place.path,
            measured=place.measured,
            num_images=args.num_images,
            look=look,
            suffix=args.format,
            title=args.title,
            force=args.force,
            **arguments,
            progress=show,
            say=lambda text: print_line(console, text),
        )
    tables = sweep_tables(sweep)
    for table in tables if args.verbose else tables[:1]:
        console.print(table)
    print_notes(console, sweep.notes, sweep.warnings)
    for path in sweep.files:
        print_line(console, f'wrote {path}', wrap=False)
    print_line(
        console,
        f'and one folder per combination in {place.path}',
        wrap=False,
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
