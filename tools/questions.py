"""One layer, several targets, one figure: tools/questions.py CONFIG [CKPT]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from mmerf.apis.terminal.command import (
        parsed,
        print_line,
        print_notes,
        run_command,
    )
    from mmerf.apis.terminal.model_options import ChosenModel
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
        'CONFIG [CHECKPOINT] [options]',
        'Draw the maps of one layer for several targets, side by side.',
        [
            'CONFIG CHECKPOINT',
            'CONFIG CHECKPOINT --targets CentreUnit grid=5x5 class=road',
            'CONFIG --layer backbone[3] --img-dir PHOTOS --out questions.pdf',
        ],
    )
    parser.adder('what')(
        'config', help="config file, or mmseg::FAMILY/NAME.py for mmseg's own"
    )
    parser.adder('what')(
        'checkpoint',
        nargs='?',
        help="weights to load (default: the config's initial weights)",
    )
    parser.adder('question')(
        '--layer',
        default='decode_head',
        help='layer to measure (default: %(default)s)',
    )
    parser.adder('question')(
        '--targets',
        nargs='+',
        default=['CentreUnit', 'grid=5x5'],
        metavar='TARGET',
        help='targets, written as for tools/erf.py; of class=A,B each class '
        'has its own panel (default: CentreUnit grid=5x5)',
    )
    parser.adder('images')(
        '--num-images',
        type=int,
        default=50,
        metavar='N',
        help='how many images to measure per target (default: %(default)s)',
    )
    parser.adder('images')(
        '--img-dir',
        metavar='DIR',
        help='measure on the images of this folder and its subfolders '
        "(default: the config's validation set)",
    )
    parser.adder('output')(
        '--out',
        metavar='FILE',
        help='the figure (default: questions.png in '
        'work_dirs/<config>/questions/<checkpoint or init>[_<images>], with '
        'questions.json, all numbers)',
    )
    parser.add_look_options()
    parser.add_output_options()
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
    from mmerf.apis.result_folder import write_record
    from mmerf.core.targets import parse_target
    from mmerf.plots import save_figure
    from mmerf.plots.drawing.style import literal
    from mmerf.plots.questions import plot_questions

    look = look_of(args)
    if args.out is not None:
        check_figure_path(args.out)
        place = None
    else:
        name = Path(args.config).stem
        chosen = ChosenModel(args.config, args.checkpoint, name)
        place = folder_of_run(
            args, chosen, 'questions', 'questions.json', console
        )
    panels, notes, warnings, skipped = {}, [], [], {}
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
        notes += run.notes
        warnings += run.warnings
        skipped.update(run.skipped)
        several = len(run.results) > 1
        for key, result in run.results.items():
            name = f'class={key.rpartition(":")[2]}' if several else text
            panels[panel_title(name)] = result
    figure, _ = plot_questions(panels, title=literal(args.layer), **look)
    files = [args.out or place.path / 'questions.png']
    save_figure(figure, files[0])
    if place:
        record = {
            'provenance': run.provenance,
            'notes': list(dict.fromkeys(notes)),
            'panels': {name: one.record() for name, one in panels.items()},
        }
        path = place.path / 'questions.json'
        files.append(write_record(path, record, files, place.measured))
    print_notes(console, notes, warnings, skipped)
    for path in files:
        print_line(console, f'wrote {path}', wrap=False)
    return 0


if __name__ == '__main__':
    sys.exit(main())
