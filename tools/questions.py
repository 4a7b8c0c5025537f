"""One layer, several targets, one figure: tools/questions.py CONFIG CKPT."""

from __future__ import annotations

import argparse
import sys
import warnings

from mmerf.apis import run_erf
from mmerf.core.errors import ERFError
from mmerf.core.targets import parse_target
from mmerf.plots import save_figure
from mmerf.plots.drawing.style import literal
from mmerf.plots.questions import plot_questions


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='What a layer answers to several targets, side by side.'
    )
    add = parser.add_argument
    add('config', help='config file, or mmseg::FAMILY/NAME.py')
    add('checkpoint', nargs='?')
    add('--layer', default='decode_head')
    add(
        '--targets',
        nargs='+',
        default=['CentreUnit', 'grid=5x5'],
        help='as tools/erf.py takes them; classes give one panel each',
    )
    add('--num-images', type=int, default=50)
    add('--img-dir')
    add('--out', default='questions.png')
    return parser.parse_args(argv)


def _words(target: str) -> str:
    return target.replace('CentreUnit', 'centre unit').replace('=', ' ')


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')
    panels = {}
    try:
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
                print(f'note: {note}')
            several = len(run.results) > 1
            for key, result in run.results.items():
                named = f'class={key.rpartition(":")[2]}' if several else text
                panels[_words(named)] = result
        figure, _ = plot_questions(panels, title=literal(args.layer))
        save_figure(figure, args.out)
    except OSError as error:
        print(f'error: {args.out}: {error}', file=sys.stderr)
        return 1
    except ERFError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
