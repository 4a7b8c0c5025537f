"""Explore fields live: python tools/explore.py CONFIG [CKPT] --img PHOTO.

Without a config: python tools/explore.py --module PATH --img PHOTO.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import (
        add_pairs,
        add_run_options,
        attribution_name,
    )
    from mmerf.apis.terminal.command import parsed, print_line, run_command
    from mmerf.apis.terminal.model_options import (
        add_model_options,
        chosen_model,
    )
    from mmerf.apis.terminal.tool_parser import ToolParser
    from mmerf.core.errors import ConfigError
    from mmerf.plots.drawing.normalization import CMAP, NORMALIZATIONS
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(
        '[CONFIG [CHECKPOINT]] --img PHOTO [options]',
        'Explore effective receptive fields live: click a pixel of a '
        'photograph, and see the field of every layer there. The model runs '
        'once; each field is one backward pass.',
        [
            'CONFIG CHECKPOINT --img photo.jpg',
            'CONFIG CHECKPOINT --img photo.jpg --web',
            '--module timm.create_model --module-options '
            'model_name=resnet18 --img photo.jpg',
        ],
    )
    add_model_options(parser)
    parser.adder('images')(
        '--img',
        dest='img_dir',
        metavar='PHOTO',
        help='the photograph to explore (default: none, name one)',
    )
    parser.adder('what')(
        '--layers',
        nargs='+',
        metavar='NAME',
        help='layers to choose between, at most 12: module names, globs '
        '(backbone.layer*), or one output of a module (backbone[3]); . is '
        "the model's own output (default: every output of the backbone, and "
        'the decode head; what else is chosen is printed)',
    )
    parser.adder('what')(
        '--without',
        nargs='+',
        metavar='NAME',
        help='modules to switch off, as tools/erf.py takes them (default: '
        'none)',
    )
    parser.adder('question')(
        '--target',
        help='what is scored of a unit at first: CentreUnit or ClassUnit '
        '(the click chooses the unit), or an import path (default: the '
        'positive channels)',
    )
    add_pairs(
        parser.adder('question'),
        '--target-options',
        'arguments of the target, such as relu=False or classes=road',
    )
    parser.adder('question')(
        '--attribution',
        type=attribution_name,
        metavar='NAME',
        help='how the score is attributed at first, by one gradient: '
        'InputGradient, RepLKNet, VMamba, MambaIR, Luo, or an import path '
        '(default: InputGradient)',
    )
    add_pairs(
        parser.adder('question'),
        '--attribution-options',
        'arguments of the attribution',
    )
    parser.adder('picture')(
        '--normalization',
        choices=list(NORMALIZATIONS),
        default='power',
        help='how maps are scaled to [0, 1] at first; power is (x / max)^0.2 '
        '(default: %(default)s)',
    )
    parser.adder('picture')(
        '--cmap',
        default=CMAP,
        help='matplotlib colour map at first (default: %(default)s)',
    )
    parser.adder('picture')(
        '--web',
        action='store_true',
        help='show it in a browser; needs tornado (default: a window)',
    )
    parser.adder('picture')(
        '--host',
        default='127.0.0.1',
        help='with --web: address to listen at; whoever can reach it can use '
        'the explorer (default: %(default)s, this machine alone)',
    )
    parser.adder('picture')(
        '--port',
        type=int,
        default=8988,
        help='with --web: port to listen at; if it is taken, one near it '
        '(default: %(default)s)',
    )
    add_run_options(parser)
    parser.adder('output')(
        '--out-dir',
        metavar='DIR',
        help='where the key s saves, a new folder each time (default: '
        'work_dirs/<config>/explore)',
    )
    parser.add_output_options()
    return parsed(parser, argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: explore(args, console))


def explore(args: argparse.Namespace, console: Console) -> int:
    """Run the model once, open the figure, and wait until it is closed."""
    chosen = chosen_model(args)
    if args.img_dir is None:
        raise ConfigError('give the photograph to explore: --img PHOTO')
    from mmerf.core.targets import parse_target
    from mmerf.plots.drawing.style import check_cmap
    from mmerf.plots.exploring.windows import (
        choose_backend,
        serve_web,
        show_windows,
    )

    check_cmap(args.cmap)
    target = parse_target(args.target, args.target_options)
    attribution = args.attribution
    if args.attribution_options:
        attribution = {
            'type': attribution or 'InputGradient',
            **args.attribution_options,
        }
    choose_backend(args.web)
    from mmerf.apis import open_explorer
    from mmerf.apis.result_folder import check_out_folder
    from mmerf.plots import ExplorerFigure

    folder = args.out_dir or Path('work_dirs') / chosen.name / 'explore'
    check_out_folder(folder)
    opened = open_explorer(
        chosen.config,
        chosen.checkpoint,
        image=args.img_dir,
        layers=args.layers,
        target=target,
        attribution=attribution,
        without=args.without,
        input_size=args.input_size,
        device=args.device,
        seed=args.seed,
        trust_checkpoint=args.trust_checkpoint,
        cfg_options=args.cfg_options,
    )

    def say(text: str) -> None:
        print_line(console, text, wrap=False)

    for note in opened.notes:
        print_line(console, f'note: {note}')
    with opened.explorer as explorer:
        shown = ExplorerFigure(
            explorer,
            folder,
            normalization=args.normalization,
            cmap=args.cmap,
            suffix=args.format,
            say=say,
        )
        if args.web:
            serve_web(args.host, args.port, say)
        else:
            show_windows()
        del shown
    return 0


if __name__ == '__main__':
    sys.exit(main())
