"""Command-line options of the tools that measure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ...core.options import AMP, ORDERS
from ...core.statistics import SHARES
from .key_value import KeyValuePairs
from .model_options import add_model_options
from .tool_parser import ToolParser


def add_measurement_options(
    parser: ToolParser, default_target: str = 'the centre unit'
) -> None:
    """Add CONFIG, CHECKPOINT and the options that all measuring tools share.

    They say what is measured, on which images, how it is drawn, and where it
    runs; :func:`run_erf_arguments` reads them.

    Args:
        parser (ToolParser): Gets the options.
        default_target (str): What is scored without ``--target``, in words.
    """
    add_model_options(parser)
    parser.adder('what')(
        '--layers',
        nargs='+',
        metavar='NAME',
        help='layers to measure: module names, globs (backbone.layer*), or '
        "one output of a module (backbone[3]); . is the model's own output "
        '(default: every output of the backbone, and the decode head; what '
        'else is chosen is printed)',
    )
    parser.adder('what')(
        '--without',
        nargs='+',
        metavar='NAME',
        help='modules to switch off, by name or glob: a branch, whose output '
        'is only added or concatenated, becomes zero, another module returns '
        'its input; NAME=zero or NAME=identity states the way (default: none)',
    )
    parser.adder('images')(
        '--order',
        choices=ORDERS,
        default='even',
        help='spread the images evenly over the dataset, or take the first '
        'ones (default: %(default)s)',
    )
    parser.adder('question')(
        '--shares',
        nargs='+',
        type=float,
        default=list(SHARES),
        metavar='SHARE',
        help="shares of the map's sum for which squares are reported, each "
        f'in (0, 1] (default: {" ".join(map(str, SHARES))})',
    )
    parser.adder('speed')(
        '--batch-size',
        type=int,
        metavar='N',
        help='most images in one pass (default: what fits into the memory of '
        'a GPU, 1 on a CPU)',
    )
    parser.adder('question')(
        '--target',
        help='what is scored: unit=Y,X (of the output), pixel=Y,X (of the '
        "input), grid=RxC, sample=N, class=NAME,..., or a target's name or "
        f'import path (default: {default_target})',
    )
    add_pairs(
        parser.adder('question'), '--target-options', 'arguments of the target'
    )
    parser.adder('question')(
        '--attribution',
        type=attribution_name,
        metavar='NAME',
        help=_NamingAttributions(
            'how the score is attributed to input pixels: %(known)s, or an '
            'import path (default: InputGradient)'
        ),
    )
    add_pairs(
        parser.adder('question'),
        '--attribution-options',
        'arguments of the attribution',
    )
    add_statistics_option(parser)
    parser.adder('speed')(
        '--amp',
        choices=AMP,
        help='run the forward pass in this precision, and report what that '
        'changes (default: float32)',
    )
    parser.adder('question')(
        '--no-theory',
        action='store_true',
        help='skip the theoretical receptive fields (default: find them)',
    )
    parser.add_look_options()
    add_run_options(parser)


def add_run_options(parser: ToolParser) -> None:
    """Add what every tool that runs a model asks: images, device, weights.

    Args:
        parser (ToolParser): Gets the options.
    """
    parser.adder('images')(
        '--img-dir',
        metavar='PATH',
        help='measure on the images of this folder and its subfolders, or on '
        "one file; no labels needed (default: the config's validation sets)",
    )
    parser.adder('images')(
        '--input-size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='resize every input to this height and width in pixels '
        '(default: the size that the test pipeline gives)',
    )
    parser.adder('picture')(
        '--format',
        choices=('png', 'pdf', 'svg'),
        default='png',
        help='file format of the figures (default: %(default)s)',
    )
    parser.adder('speed')(
        '--device',
        help='torch device, such as cpu or cuda:1 (default: cuda where there '
        'is a GPU, else cpu)',
    )
    parser.adder('what')(
        '--seed',
        type=int,
        default=0,
        help='seed of initial weights and of every random draw (default: '
        '%(default)s)',
    )
    parser.adder('what')(
        '--trust-checkpoint',
        action='store_true',
        help='load a checkpoint even if its pickle can run code (default: '
        'refuse it)',
    )
    add_pairs(
        parser.adder('what'),
        '--cfg-options',
        'config settings to override, by dotted key',
    )


def add_pairs(add: Callable[..., Any], option: str, purpose: str) -> None:
    """Add an option that takes ``KEY=VALUE`` pairs."""
    add(
        option,
        nargs='+',
        action=KeyValuePairs,
        metavar='KEY=VALUE',
        help=f'{purpose} (default: none)',
    )


def add_statistics_option(parser: ToolParser) -> None:
    """Add ``--statistics`` for statistics of the user's own."""
    parser.adder('question')(
        '--statistics',
        nargs='+',
        metavar='PATH',
        help='your own statistics, by import path (my_pkg.MyStatistic); they '
        "stand in every table beside mmerf's (default: none)",
    )


class _NamingAttributions(str):
    """Help that names the known attributions: only once it is printed."""

    def __mod__(self, values: Any) -> str:
        from ...core.attributions import ATTRIBUTIONS  # imports torch

        return str(self) % {**values, 'known': ', '.join(ATTRIBUTIONS)}


def attribution_name(text: str) -> str:
    """An attribution's name or import path, as ``--attribution`` takes it."""
    from ...core.attributions import ATTRIBUTIONS

    if text not in ATTRIBUTIONS and '.' not in text:
        raise argparse.ArgumentTypeError(
            f'unknown attribution {text!r}; the known ones are '
            f'{", ".join(ATTRIBUTIONS)}, or give an import path'
        )
    return text


def run_erf_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of :func:`mmerf.apis.run_erf` from those options.

    Raises:
        ConfigError: If the target cannot be read.
    """
    from ...core.targets import parse_target

    attribution = args.attribution
    if args.attribution_options:
        attribution = {
            'type': attribution or 'InputGradient',
            **args.attribution_options,
        }
    return {
        'layers': args.layers,
        'without': args.without,
        'order': args.order,
        'shares': args.shares,
        'img_dir': args.img_dir,
        'batch_size': args.batch_size,
        'input_size': args.input_size,
        'target': parse_target(args.target, args.target_options),
        'attribution': attribution,
        'amp': args.amp,
        'device': args.device,
        'theory': not args.no_theory,
        'seed': args.seed,
        'trust_checkpoint': args.trust_checkpoint,
        'cfg_options': args.cfg_options,
        'statistics': args.statistics,
    }
