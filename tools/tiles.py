"""Which window and overlap to slide with: python tools/tiles.py CONFIG [CKPT].

Without a config: python tools/tiles.py --module PATH --img-dir PHOTOS.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import add_run_options
    from mmerf.apis.terminal.command import (
        parsed,
        print_line,
        print_notes,
        run_command,
    )
    from mmerf.apis.terminal.model_options import (
        add_model_options,
        chosen_model,
    )
    from mmerf.apis.terminal.out_folder import folder_of_run
    from mmerf.apis.terminal.tool_parser import ToolParser
    from mmerf.core.errors import ConfigError
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(
        'CONFIG [CHECKPOINT] [options]',
        'Tell which window and overlap to slide with: compare predictions '
        'from tiles with those of whole images, by the distance to the '
        'borders of the tiles.',
        [
            'CONFIG CHECKPOINT',
            'CONFIG CHECKPOINT --windows 128 256 --overlaps 0 0.5',
            '--module net.onnx --img-dir PHOTOS --windows 160 192',
        ],
    )
    add_model_options(parser)
    parser.adder('question')(
        '--windows',
        nargs='+',
        type=int,
        metavar='PX',
        help='sides of the tiles (default: those of the squares that hold 50 '
        'and 99 %% of the ERF, half of the latter, each rounded up to a '
        "multiple of 32, and of the training's crops)",
    )
    parser.adder('question')(
        '--strides',
        nargs='+',
        type=int,
        metavar='PX',
        help='from one tile to the next; each is used with the windows that '
        'are at least as large (default: by --overlaps)',
    )
    parser.adder('question')(
        '--overlaps',
        nargs='+',
        type=float,
        metavar='SHARE',
        help='instead of --strides: overlaps as shares of the window, in '
        '[0, 1) (default: 0 0.25 0.5)',
    )
    parser.adder('question')(
        '--within',
        type=float,
        default=1.0,
        metavar='POINTS',
        help='recommend the smallest window and overlap that change at most '
        'so many percentage points more of the pixels than the best (default: '
        '%(default)s)',
    )
    parser.adder('question')(
        '--layer',
        metavar='NAME',
        help="layer whose ERF is the field; . is the model's own output "
        '(default: the head that makes the logits, else .)',
    )
    parser.adder('question')(
        '--target',
        metavar='UNIT',
        help='what of that layer is scored, as tools/erf.py takes it '
        '(default: the centre unit)',
    )
    parser.adder('question')(
        '--threshold',
        type=float,
        help='one channel of logits is class 1 above this value (default: '
        "the decode head's own, else 0)",
    )
    parser.adder('images')(
        '--num-images',
        type=int,
        default=20,
        metavar='N',
        help='how many images to compare on (default: %(default)s)',
    )
    add_run_options(parser)
    parser.adder('output')(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: '
        'work_dirs/<config>/tiles/<checkpoint or init>[_<images>])',
    )
    parser.add_output_options('shares by distance, and seconds')
    return parsed(parser, argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: measure(args, console))


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the table and what follows."""
    from mmerf.apis.terminal.progress import show_progress

    chosen = chosen_model(args)
    from mmerf.apis import run_tiles
    from mmerf.apis.tiles.tables import conclusion, tiles_tables
    from mmerf.apis.tiles.write import write_tiles
    from mmerf.core.targets.parsing import parse_target

    place = folder_of_run(args, chosen, 'tiles', 'tiles.json', console)
    target = parse_target(args.target)
    with show_progress(console) as show:
        run = run_tiles(
            chosen.config,
            chosen.checkpoint,
            windows=args.windows,
            strides=args.strides,
            overlaps=args.overlaps,
            within=args.within / 100,
            layer=args.layer,
            target=target,
            threshold=args.threshold,
            num_images=args.num_images,
            img_dir=args.img_dir,
            input_size=args.input_size,
            device=args.device,
            seed=args.seed,
            trust_checkpoint=args.trust_checkpoint,
            cfg_options=args.cfg_options,
            progress=show,
            say=lambda text: print_line(console, text),
        )
    try:
        files = write_tiles(run, place.path, args.format, place.measured)
    except OSError as error:
        raise ConfigError(
            f'{place.path} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    tables = tiles_tables(run.result)
    for table in tables if args.verbose else tables[:1]:
        console.print(table)
    print_notes(console, run.notes, run.warned, run.skipped)
    for line in conclusion(run.result, run.within):
        print_line(console, line)
    for path in files:
        print_line(console, f'wrote {path}', wrap=False)
    return 0


if __name__ == '__main__':
    sys.exit(main())
