"""How much context units need: python tools/context.py CONFIG [CKPT].

Without a config: python tools/context.py --module PATH --img-dir PHOTOS.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import (
        add_run_options,
        attribution_name,
    )
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
        'Tell how large a square about its pixel a unit needs: keep or '
        'replace squares of growing side in images, and see how much the '
        'logits change and how many units get another class.',
        [
            'CONFIG CHECKPOINT',
            'CONFIG CHECKPOINT --targets sample=20 --fill blur',
            'CONFIG CHECKPOINT --rank-attributions',
        ],
    )
    add_model_options(parser)
    parser.adder('question')(
        '--layer',
        metavar='NAME',
        help="layer to look at, with one channel per class; . is the model's "
        "own output (default: the decode head's logits)",
    )
    parser.adder('question')(
        '--targets',
        default='grid=3x3',
        metavar='UNITS',
        help='units to look at: grid=RxC, sample=N, CentreUnit, unit=Y,X (of '
        'the output), pixel=Y,X (of the input), class=NAME (where it is '
        'predicted) (default: %(default)s)',
    )
    parser.adder('question')(
        '--sides',
        nargs='+',
        type=int,
        metavar='PX',
        help='sides of the squares, odd (default: each about 0.7 of the next, '
        "up to the image's longer side)",
    )
    parser.adder('question')(
        '--fill',
        default='mean',
        metavar='mean|blur|shuffle|other-image',
        help='what replaces a part of an image: its mean colour, a blur, the '
        "part's own pixels in random order, or another image (default: "
        '%(default)s)',
    )
    parser.adder('question')(
        '--threshold',
        type=float,
        help='a layer with one channel is class 1 above this value (default: '
        "the decode head's own, else 0)",
    )
    parser.adder('question')(
        '--attribution',
        type=attribution_name,
        metavar='NAME',
        help='how the ERF beside the curves is attributed (default: '
        'InputGradient)',
    )
    parser.adder('question')(
        '--rank-attributions',
        nargs='*',
        metavar='NAME',
        help='instead of the curves, rank attributions (names of '
        "--attribution, or Captum's methods) by how faithful their maps are: "
        'patches are replaced in their order, and in random order (default: '
        'curves; without a NAME: one of each kind of method)',
    )
    parser.adder('images')(
        '--num-images',
        type=int,
        default=20,
        metavar='N',
        help='how many images to measure (default: %(default)s)',
    )
    parser.adder('speed')(
        '--batch-size',
        type=int,
        metavar='N',
        help='most changed copies in one pass (default: what fits into '
        'memory)',
    )
    add_run_options(parser)
    parser.adder('output')(
        '--out-dir',
        metavar='DIR',
        help='folder of the results (default: '
        'work_dirs/<config>/context/<checkpoint or init>[_<images>])',
    )
    parser.add_output_options('the curves, one row per side')
    return parsed(parser, argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: measure(args, console))


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the tables."""
    from mmerf.apis import run_context, run_ranking
    from mmerf.apis.context.tables import (
        curves_tables,
        ranking_table,
        sides_table,
    )
    from mmerf.apis.context.write import write_context
    from mmerf.apis.terminal.progress import show_progress
    from mmerf.core.targets import parse_target

    chosen = chosen_model(args)
    options = {
        'layer': args.layer,
        'target': parse_target(args.targets),
        'fill': args.fill,
        'threshold': args.threshold,
        'num_images': args.num_images,
        'img_dir': args.img_dir,
        'input_size': args.input_size,
        'batch_size': args.batch_size,
        'device': args.device,
        'seed': args.seed,
        'trust_checkpoint': args.trust_checkpoint,
        'cfg_options': args.cfg_options,
    }
    ranking = args.rank_attributions is not None
    record = 'ranking.json' if ranking else 'context.json'
    if ranking and (args.sides or args.attribution):
        raise ConfigError(
            '--rank-attributions stands instead of the curves; leave out '
            '--sides and --attribution'
        )
    place = folder_of_run(args, chosen, 'context', record, console)
    with show_progress(console) as options['progress']:
        if ranking:
            run = run_ranking(
                chosen.config,
                chosen.checkpoint,
                args.rank_attributions or None,
                **options,
            )
        else:
            run = run_context(
                chosen.config,
                chosen.checkpoint,
                sides=args.sides,
                attribution=args.attribution,
                **options,
            )
    try:
        files = write_context(run, place.path, args.format, place.measured)
    except OSError as error:
        raise ConfigError(
            f'{place.path} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    if ranking:
        tables = [ranking_table(run.result)]
    else:
        tables = [sides_table(run.result)]
        if args.verbose:
            tables += curves_tables(run.result)
    for table in tables:
        console.print(table)
    print_notes(console, run.notes, run.warned, run.skipped)
    for path in files:
        print_line(console, f'wrote {path}', wrap=False)
    return 0


if __name__ == '__main__':
    sys.exit(main())
