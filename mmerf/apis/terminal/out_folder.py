"""The folder of a tool's results, from its options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..result_folder import ResultFolder, result_folder
from .command import print_line
from .model_options import ChosenModel

if TYPE_CHECKING:
    from rich.console import Console

# Options that make a result one of something else. What is left out measures
# the same again: how many images, which layers, where it runs, how it looks.
_MEASURED = (
    *('config', 'module', 'module_options', 'mean', 'std', 'letterbox'),
    *('cfg_options', 'seed', 'img_dir', 'input_size', 'amp'),
    *('target', 'target_options', 'attribution', 'attribution_options'),
    *('without', 'each_without', 'by_class', 'vary', 'layer', 'targets'),
    *('fill', 'sides', 'threshold', 'rank_attributions'),
    *('windows', 'strides', 'overlaps'),
)


def folder_of_run(
    args: argparse.Namespace,
    chosen: ChosenModel,
    tool: str,
    record: str,
    console: Console,
) -> ResultFolder:
    """Where a tool's result goes; prints what its user should know of it.

    Args:
        args (Namespace): The tool's options; those that it has not do not
            count.
        chosen (ChosenModel): Of the options.
        tool (str): The default folder is in ``work_dirs/<config>/<tool>``.
        record (str): Name of the result's record.
        console (Console): For a note.

    Raises:
        ConfigError: See :func:`mmerf.apis.result_folder.result_folder`.
    """
    measured = {
        key: value
        for key in _MEASURED
        if (value := getattr(args, key, None)) is not None
    }
    if chosen.checkpoint is not None:
        measured['checkpoint'] = chosen.checkpoint
    folder = result_folder(
        getattr(args, 'out_dir', None),
        Path('work_dirs') / chosen.name / tool,
        _parts_of_name(args, chosen.checkpoint),
        record,
        measured,
    )
    if folder.note:
        print_line(console, f'note: {folder.note}')
    return folder


def _parts_of_name(
    args: argparse.Namespace, checkpoint: str | None
) -> Iterator[str]:
    """Checkpoint, images, and the question where it is not the default."""
    yield Path(checkpoint).stem if checkpoint else 'init'
    if args.img_dir:
        images = os.path.basename(os.path.abspath(args.img_dir))
        is_file = os.path.isfile(args.img_dir)
        yield os.path.splitext(images)[0] if is_file else images
    for key in ('target', 'attribution'):
        yield getattr(args, key, None) or ''
    if by_class := getattr(args, 'by_class', None):
        yield f'by_class={by_class}'
    if without := getattr(args, 'without', None):
        yield 'without'
        yield from without[:3]
