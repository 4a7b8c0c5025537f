"""Measure effective receptive fields: python tools/erf.py CONFIG [CKPT]."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from rich.console import Console

from mmerf.core.attributions import ATTRIBUTIONS
from mmerf.core.errors import ConfigError, ERFError
from mmerf.core.statistics import SHARES
from mmerf.core.targets import parse_target
from mmerf.plots.normalization import NORMALIZATIONS
from mmerf.plots.style import CMAP, check_cmap

try:
    from mmerf.apis import layers_from_config, run_erf
    from mmerf.apis.launch import LAUNCHERS, join_processes
    from mmerf.apis.progress import progress
    from mmerf.apis.report import write_report
    from mmerf.apis.tables import layers_table, results_table, shapes_table
except ERFError as error:  # mmengine, mmcv or mmseg is not installed
    sys.exit(f'error: {error}')
from mmengine.config import DictAction
from mmengine.dist import is_main_process


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Effective receptive fields of a segmentation model.'
    )
    add = parser.add_argument
    pairs = {'nargs': '+', 'action': DictAction, 'metavar': 'KEY=VALUE'}
    add('config', help='config file, or mmseg::FAMILY/NAME.py')
    add('checkpoint', nargs='?', help="default: the config's initial weights")
    add('--layers', nargs='+', metavar='NAME', help='names, globs, name[i]')
    add('--list-layers', nargs='?', const='**', metavar='GLOB')
    add('--num-images', type=number_or_auto, default=50, metavar='N|auto')
    add('--tolerance', type=float, default=0.02, help='of --num-images auto')
    add('--max-images', type=int, default=500, help='of --num-images auto')
    add('--order', choices=('even', 'first'), default='even')
    add('--shares', nargs='+', type=float, default=list(SHARES))
    add('--img-dir', help='any folder of images, no labels needed')
    add('--batch-size', type=int, help='images in one pass')
    add('--input-size', nargs=2, type=int, metavar=('H', 'W'))
    add(
        '--target',
        help='unit=Y,X, pixel=Y,X, grid=RxC, sample=N, class=NAME,..., or a '
        "target's name; default: the middle unit",
    )
    add('--attribution', choices=sorted(ATTRIBUTIONS), help='how')
    for part in ('target', 'attribution'):
        add(f'--{part}-options', **pairs, help='its arguments')
    add('--amp', choices=('bfloat16', 'float16'), help='default: float32')
    add('--normalization', choices=list(NORMALIZATIONS), default='power')
    add('--cmap', default=CMAP, help='any matplotlib colour map')
    add('--over-image', action='store_true', help='on the mean image')
    add('--format', choices=('png', 'pdf', 'svg'), default='png')
    add('--out-dir', help='default: work_dirs/<config>/erf')
    add('--device', help='default: cuda where there is one, else cpu')
    add('--no-theory', action='store_true', help='no theoretical fields')
    add('--seed', type=int, default=0)
    add('--launcher', choices=LAUNCHERS, default='none')
    add('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)
    add(
        '--trust-checkpoint',
        action='store_true',
        help='load a checkpoint whose pickle can run code',
    )
    add('--cfg-options', **pairs)
    return parser.parse_args(argv)


def number_or_auto(text: str) -> int | str:
    """What --num-images takes."""
    return text if text == 'auto' else int(text)


def with_options(name: str | None, options: dict | None) -> object:
    """An attribution's name with its options, as a config has them."""
    return {'type': name or 'InputGradient', **options} if options else name


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')  # the packages', not ours
    piped = not sys.stdout.isatty()
    console = Console(width=140 if piped else None, highlight=False)
    try:
        join_processes(args.launcher)
        console.quiet = not is_main_process()
        if args.list_layers:
            layers = layers_from_config(
                args.config,
                args.list_layers,
                input_size=args.input_size,
                device=args.device,
                cfg_options=args.cfg_options,
            )
            console.print(layers_table(layers))
            return 0
        return measure(args, console)
    except ERFError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted; nothing was written', file=sys.stderr)
        return 130


def measure(args: argparse.Namespace, console: Console) -> int:
    """Measure, write the files, print the table."""
    check_cmap(args.cmap)
    folder = args.out_dir or Path('work_dirs') / Path(args.config).stem / 'erf'
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ConfigError(f'{folder} is a file; name a folder with --out-dir')
    with progress(console) as tell:
        run = run_erf(
            args.config,
            args.checkpoint,
            layers=args.layers,
            num_images=args.num_images,
            tolerance=args.tolerance,
            max_images=args.max_images,
            theory=not args.no_theory,
            order=args.order,
            img_dir=args.img_dir,
            input_size=args.input_size,
            batch_size=args.batch_size,
            device=args.device,
            shares=args.shares,
            target=parse_target(args.target, args.target_options),
            attribution=with_options(
                args.attribution, args.attribution_options
            ),
            amp=args.amp,
            seed=args.seed,
            trust_checkpoint=args.trust_checkpoint,
            cfg_options=args.cfg_options,
            progress=tell,
            say=lambda text: console.print(text, markup=False),
        )
    if not is_main_process():
        return 0
    try:
        files = write_report(
            run,
            folder,
            normalization=args.normalization,
            cmap=args.cmap,
            suffix=args.format,
            over_image=args.over_image,
        )
    except OSError as error:
        raise ConfigError(
            f'{folder} cannot be written to: {error}; name another folder '
            'with --out-dir'
        ) from error
    for path, reason in run.skipped.items():
        console.print(f'skipped {path}: {reason}', markup=False)
    for note in run.notes:
        console.print(f'note: {note}', markup=False)
    console.print(results_table(run.results))
    console.print(shapes_table(run.results))
    for path in files[:3]:
        console.print(f'wrote {path}', markup=False, soft_wrap=True)
    each = f'one .npz and one .{args.format}'
    console.print(
        f'and {each} a layer in {folder}', markup=False, soft_wrap=True
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
