"""One layer, several targets, one figure: tools/questions.py CONFIG [CKPT]."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.cli_options import add_look_options, look_of
    from mmerf.apis.terminal.command import parsed, print_line, run_command
except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from rich.console import Console


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the maps of one layer for several targets, side by '
        'side.'
    )
    add = parser.add_argument
    add('config', help="config file, or mmseg::FAMILY/NAME.py for mmseg's own")
    add(
        'checkpoint',
        nargs='?',
        help="weights to load (default: the config's initial weights)",
    )
    add(
        '--layer',
        default='decode_head',
        help='layer to measure (default: %(default)s)',
    )
    add(
        '--targets',
        nargs='+',
        default=['CentreUnit', 'grid=5x5'],
        metavar='TARGET',
        help='targets, written as for tools/erf.py; of class=A,B each class '
        'has its own panel (default: CentreUnit grid=5x5)',
    )
    add(
        '--num-images',
        type=int,
        default=50,
        metavar='N',
        help='how many images to measure per target (default: %(default)s)',
    )
    add(
        '--img-dir',
        metavar='DIR',
        help='measure on the images of this folder and its subfolders '
        "(default: the config's validation set)",
    )
    add(
        '--out',
        default='questions.png',
        metavar='FILE',
        help='the figure (default: %(default)s)',
    )
    add_look_options(parser)
    return parsed(parser, argv)


def panel_title(target: str) -> str:
    """A target as the title of its panel."""
    return target.replace('CentreUnit', 'centre unit').replace('=', ' ')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    return run_command(lambda console: ask(args, console))


def ask(args: argparse.Namespace, console: Console) -> int:
    """Measure every target, draw the figure."""
    from mmerf.apis import run_erf
    from mmerf.apis.compare.comparison import check_figure_path
    from mmerf.core.targets import parse_target
    from mmerf.plots import save_figure
    from mmerf.plots.drawing.style import literal
    from mmerf.plots.questions import plot_questions

    check_figure_path(args.out)
    look = look_of(args)
    panels = {}
    for text in args.targets:
        run = run_erf(
            args.config,
            args.checkpoint,
            layers=[args.layer],
            num_images=args.num_images,
            img_dir=args.img_dir,
            target=parse_target(text),
            theory=False,
        )
        for note in run.notes:
            print_line(console, f'note: {note}')
        several = len(run.results) > 1
        for key, result in run.results.items():
            name = f'class={key.rpartition(":")[2]}' if several else text
            panels[panel_title(name)] = result
    figure, _ = plot_questions(panels, title=literal(args.layer), **look)
    save_figure(figure, args.out)
    print_line(console, f'wrote {args.out}', wrap=False)
    return 0


if __name__ == '__main__':
    sys.exit(main())
