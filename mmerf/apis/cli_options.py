"""Command-line options that every tool which measures has."""

from __future__ import annotations

import argparse
from typing import Any

from mmengine.config import DictAction

from ..core.attributions import ATTRIBUTIONS
from ..core.statistics import SHARES
from ..core.targets import parse_target
from ..plots.drawing.normalization import NORMALIZATIONS
from ..plots.drawing.style import CMAP


class Pairs(DictAction):
    """mmengine's KEY=VALUE, where what it cannot read is a usage error."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Read the pairs into the namespace, or say what they look like."""
        try:
            super().__call__(*args, **kwargs)
        except (AssertionError, RecursionError, ValueError) as error:
            raise argparse.ArgumentError(
                self,
                'not KEY=VALUE as mmengine reads it: numbers, true, text, '
                '[a,b] and (a,b); of a dict, set each key: '
                'model.backbone.norm_cfg.type=BN',
            ) from error


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, CHECKPOINT, and what is measured, drawn and run on."""
    add = parser.add_argument
    pairs = {'nargs': '+', 'action': Pairs, 'metavar': 'KEY=VALUE'}
    add('config', help='config file, or mmseg::FAMILY/NAME.py')
    add('checkpoint', nargs='?', help="default: the config's initial weights")
    add('--layers', nargs='+', metavar='NAME', help='names, globs, name[i]')
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
    add('--format', choices=('png', 'pdf', 'svg'), default='png')
    add('--device', help='default: cuda where there is one, else cpu')
    add('--no-theory', action='store_true', help='no theoretical fields')
    add('--seed', type=int, default=0)
    add(
        '--trust-checkpoint',
        action='store_true',
        help='load a checkpoint whose pickle can run code',
    )
    add('--cfg-options', **pairs)


def measuring(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`mmerf.apis.run_erf` takes of those options.

    Raises:
        ConfigError: If the target cannot be read.
    """
    how = args.attribution
    if args.attribution_options:
        how = {'type': how or 'InputGradient', **args.attribution_options}
    return {
        'layers': args.layers,
        'order': args.order,
        'shares': args.shares,
        'img_dir': args.img_dir,
        'batch_size': args.batch_size,
        'input_size': args.input_size,
        'target': parse_target(args.target, args.target_options),
        'attribution': how,
        'amp': args.amp,
        'device': args.device,
        'theory': not args.no_theory,
        'seed': args.seed,
        'trust_checkpoint': args.trust_checkpoint,
        'cfg_options': args.cfg_options,
    }
