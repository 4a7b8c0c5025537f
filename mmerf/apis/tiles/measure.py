"""What tiles change, from Python: the result alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from torch import nn

from ...core.tiling.result import TilingResult
from ..module.module_config import module_config
from .run import run_tiles


def tiles_from_config(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    windows: Sequence[int] | None = None,
    **options: Any,
) -> TilingResult:
    """What sliding windows change in the predictions of a config's model.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        windows (sequence of int, optional): None for proposals.
        **options: Further arguments of :func:`run_tiles`.

    Returns:
        TilingResult: Warnings say what was chosen and which weights were not
        loaded.

    Raises:
        ERFError: As for :func:`run_tiles`.
    """
    run = run_tiles(config, checkpoint, windows=windows, **options)
    for note in run.warned:
        warnings.warn(note, stacklevel=2)
    return run.result


def tiles_from_module(
    module: str | os.PathLike | nn.Module,
    checkpoint: str | os.PathLike | None = None,
    *,
    img_dir: str | os.PathLike,
    module_options: Mapping[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    letterbox: Sequence[int] | None = None,
    **options: Any,
) -> TilingResult:
    """The same for a network without a config, on images from files.

    Args:
        module, checkpoint, img_dir, module_options, mean, std, letterbox:
            See :func:`mmerf.apis.erf_from_module`.
        **options: Arguments of :func:`run_tiles`.

    Raises:
        ERFError: As for :func:`run_tiles`.
    """
    config = module_config(module, module_options, mean, std, letterbox)
    return tiles_from_config(config, checkpoint, img_dir=img_dir, **options)
