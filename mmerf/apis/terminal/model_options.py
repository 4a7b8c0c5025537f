"""Command-line options that name the model: a config, or any network."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import ConfigError
from ...core.import_path import import_module
from ..config.find_config import find_config
from .key_value import KeyValuePairs
from .tool_parser import ToolParser

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class ChosenModel:
    """What the options name.

    Attributes:
        config (str or Config): A config file, or the config of a network.
        checkpoint (str, optional): Weights to load.
        name (str): For the folder of the results.
    """

    config: str | Config
    checkpoint: str | None
    name: str


def add_model_options(parser: ToolParser) -> None:
    """Add CONFIG, CHECKPOINT, and what names a network without a config."""
    add = parser.adder('what')
    add(
        'config',
        nargs='?',
        help="config file, or mmseg::FAMILY/NAME.py for mmseg's own "
        '(default: --module names the network)',
    )
    add(
        'checkpoint',
        nargs='?',
        metavar='checkpoint',
        help="weights to load (default: the config's initial weights)",
    )
    add(
        '--checkpoint',
        dest='weights',
        metavar='FILE',
        help='the same as an option, for use with --module (default: none)',
    )
    add(
        '--module',
        metavar='PATH',
        help='instead of a config: import path of a class or function that '
        'gives a network (timm.create_model), an .onnx file, or a TorchScript '
        'or pickled module (with --trust-checkpoint) (default: CONFIG)',
    )
    add(
        '--module-options',
        nargs='+',
        action=KeyValuePairs,
        metavar='KEY=VALUE',
        help='arguments of --module; config.type=package.Class builds an '
        'argument of its own (default: none)',
    )
    add(
        '--mean',
        nargs='+',
        type=float,
        metavar='M',
        help='with --module: mean of images in 0 to 1, one per channel (of '
        'more than three channels, as the file has them) (default: '
        "timm's where the network keeps one, else ImageNet's)",
    )
    add(
        '--std',
        nargs='+',
        type=float,
        metavar='S',
        help='with --module: standard deviation (default: as for --mean)',
    )
    add(
        '--letterbox',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='with --module: fit images into this size, centred, the rest '
        'grey, as YOLO does (default: images as they are)',
    )
    add(
        '--import',
        nargs='+',
        dest='imports',
        default=[],
        metavar='MODULE',
        help='Python modules to import first, such as those that register a '
        "repository's classes; found from the current folder too (default: "
        'none)',
    )


def chosen_model(args: argparse.Namespace) -> ChosenModel:
    """The config and checkpoint that the options name; imports --import's.

    Raises:
        ConfigError: If a module cannot be imported, or the options do not fit
            each other.
    """
    if args.imports or args.module:
        sys.path.append(os.getcwd())
    for name in args.imports:
        import_module(name, '--import')
    if args.checkpoint and args.weights:
        raise ConfigError(
            f'two checkpoints: {args.checkpoint} and --checkpoint '
            f'{args.weights}; give one'
        )
    checkpoint = args.checkpoint or args.weights
    only = [
        f'--{name.replace("_", "-")}'
        for name in ('module_options', 'mean', 'std', 'letterbox')
        if getattr(args, name) is not None
    ]
    if args.module is None:
        if args.config is None:
            raise ConfigError('give a CONFIG, or a network with --module')
        if only:
            raise ConfigError(
                f'{only[0]} goes with --module; a config has its own model '
                'and pipeline, which --cfg-options changes'
            )
        find_config(args.config)  # before anything is imported to read it
        return ChosenModel(args.config, checkpoint, Path(args.config).stem)
    if args.config is not None:
        raise ConfigError(
            f'--module stands instead of a config, and there is '
            f'{args.config!r:.80} too; weights go with --checkpoint'
        )
    from .. import module_config

    options = nested(args.module_options or {})
    config = module_config(
        args.module, options, args.mean, args.std, args.letterbox
    )
    return ChosenModel(config, checkpoint, _name_of_run(args.module, options))


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as dicts in dicts.

    Example:
        >>> nested({'a': 1, 'b.c': 2})
        {'a': 1, 'b': {'c': 2}}
    """
    nested: dict[str, Any] = {}
    for key, value in options.items():
        *owners, last = key.split('.')
        inside = nested
        for owner in owners:
            inside = inside.setdefault(owner, {})
            if not isinstance(inside, dict):
                raise ConfigError(
                    f'--module-options: {owner} is a value and has {key} too'
                )
        inside[last] = value
    return nested


def _name_of_run(module: str, options: Mapping[str, Any]) -> str:
    """A folder's name for a module and its first options in words."""
    from ..module.load_module import is_file

    if is_file(module):
        return Path(module).stem
    words = [v for v in options.values() if isinstance(v, str)]
    return re.sub(r'[^\w.-]+', '_', '-'.join([module, *words]))[:80]
