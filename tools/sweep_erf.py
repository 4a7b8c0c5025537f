"""Ablations: python tools/sweep_erf.py CONFIG [CKPT] --vary KEY=V1,V2."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from rich.console import Console

from mmerf.core.attributions import ATTRIBUTIONS
from mmerf.core.errors import ERFError
from mmerf.core.statistics import SHARES
from mmerf.core.targets import parse_target
from mmerf.plots.normalization import NORMALIZATIONS
from mmerf.plots.style import CMAP

try:
    from mmerf.apis.progress import progress
    from mmerf.apis.sweep import sweep_erf
    from mmerf.apis.tables import comparison_table
    from mmerf.apis.vary import parse_vary
except ERFError as error:  # mmengine, mmcv or mmseg is not installed
    sys.exit(f'error: {error}')
from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure every combination of some settings of a config '
        'on the same images and units, and compare them.'
    )
    add = parser.add_argument
    add('config', help='config file, or mmseg::FAMILY/NAME.py')
    add('checkpoint', nargs='?', help='loaded where it fits')
    add(
        '--vary',
        action='append',
        required=True,
        metavar='KEY=V1,V2',
        help='a config key and its values; give it once a key',
    )
    add('--layers', nargs='+', metavar='NAME', help='names, globs, name[i]')
    add('--num-images', type=int, default=50)
    add('--order', choices=('even', 'first'), default='even')
    add('--shares', nargs='+', type=float, default=list(SHARES))
    add('--img-dir', help='any folder of images, no labels needed')
    add('--batch-size', type=int, help='images in one pass')
    add('--input-size', nargs=2, type=int, metavar=('H', 'W'))
    add('--target', help='default: the unit nearest the middle of the image')
    add('--attribution', choices=sorted(ATTRIBUTIONS), help='how')
    add('--amp', choices=('bfloat16', 'float16'), help='default: float32')
    add('--normalization', choices=list(NORMALIZATIONS), default='power')
    add('--cmap', default=CMAP, help='any matplotlib colour map')
    add('--format', choices=('png', 'pdf', 'svg'), default='png')
    add('--title', help='over the figure')
    add('--out-dir', help='default: work_dirs/<config>/sweep')
    add('--device', help='default: cuda where there is one, else cpu')
    add('--no-theory', action='store_true', help='no theoretical fields')
    add('--seed', type=int, default=0, help='of all initial weights')
    add(
        '--trust-checkpoint',
        action='store_true',
        help='load a checkpoint whose pickle can run code',
    )
    add(
        '--force',
        action='store_true',
        help='also compare where different things were measured',
    )
    add('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')  # the packages', not ours
    piped = not sys.stdout.isatty()
    console = Console(width=140 if piped else None, highlight=False)
    try:
        return measure(args, console)
    except ERFError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted; finished combinations are kept', file=sys.stderr)
        return 130


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the table."""
    folder = (
        args.out_dir or Path('work_dirs') / Path(args.config).stem / 'sweep'
    )
    with progress(console) as tell:
        sweep = sweep_erf(
            args.config,
            args.checkpoint,
            vary=parse_vary(args.vary),
            out_dir=folder,
            layers=args.layers,
            num_images=args.num_images,
            order=args.order,
            shares=args.shares,
            img_dir=args.img_dir,
            batch_size=args.batch_size,
            input_size=args.input_size,
            target=parse_target(args.target),
            attribution=args.attribution,
            amp=args.amp,
            normalization=args.normalization,
            cmap=args.cmap,
            suffix=args.format,
            title=args.title,
            device=args.device,
            theory=not args.no_theory,
            seed=args.seed,
            trust_checkpoint=args.trust_checkpoint,
            force=args.force,
            cfg_options=args.cfg_options,
            progress=tell,
            say=lambda text: console.print(text, markup=False),
        )
    for note in sweep.notes:
        console.print(f'note: {note}', markup=False)
    console.print(comparison_table(sweep.comparison))
    for path in sweep.files:
        console.print(f'wrote {path}', markup=False, soft_wrap=True)
    console.print(
        f'and a folder a combination in {folder}', markup=False, soft_wrap=True
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
