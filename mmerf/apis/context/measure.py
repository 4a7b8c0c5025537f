"""Config or module in, context curves or a ranking out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from torch import nn

from ...core.attributions.captum import CAPTUM_METHODS
from ...core.context.curves import ContextMeasurement
from ...core.context.faithfulness import FaithfulnessMeasurement
from ...core.context.options import ContextOptions, named_attributions
from ...core.context.ranking import RankingResult
from ...core.context.result import ContextResult
from ...core.context.squares import check_sides, shares_of_patches
from ...engine.registry import ERF_ATTRIBUTIONS, resolve_registered
from ..module.module_config import module_config
from .run import ContextRun, run_on_copies


def run_context(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    sides: Sequence[int] | None = None,
    attribution: Any = None,
    **options: Any,
) -> ContextRun[ContextResult]:
    """How large a square about its pixel a unit of a config's model needs.

    Args:
        config, checkpoint: See :func:`mmerf.apis.erf_from_config`.
        sides (sequence of int, optional): Of the squares, px, odd; None for
            a geometric series up to the first image's longer side.
        attribution: Of the ERF beside the curves.
        **options: See :func:`mmerf.apis.context.run.run_on_copies`.

    Returns:
        ContextRun: The curves, skipped images, notes and provenance.

    Raises:
        ERFError: If the config, checkpoint, images or settings cannot be
            used; its text is one line that says what would be right.
    """
    check_sides(sides)
    method = resolve_registered(attribution, ERF_ATTRIBUTIONS)

    def make(model: nn.Module, own: ContextOptions) -> ContextMeasurement:
        return ContextMeasurement(model, own, sides, method)

    return run_on_copies(make, config, checkpoint, **options)


def run_ranking(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    attributions: Iterable[Any] | None = None,
    *,
    steps: int = 10,
    scale: str = 'log',
    draws: int = 3,
    patch_size: int | None = None,
    **options: Any,
) -> ContextRun[RankingResult]:
    """Rank attributions by how faithful their maps are on a config's model.

    Args:
        config, checkpoint: See :func:`mmerf.apis.erf_from_config`.
        attributions (iterable, optional): Names, import paths,
            ``dict(type=...)`` or Captum's methods; None for one of each kind.
        steps, scale, draws, patch_size: See
            :class:`mmerf.core.context.faithfulness.FaithfulnessMeasurement`.
        **options: See :func:`mmerf.apis.context.run.run_on_copies`.

    Returns:
        ContextRun: The ranking, skipped images, notes and provenance.

    Raises:
        ERFError: As for :func:`run_context`.
    """
    if attributions is not None:
        attributions = [
            one
            if one in CAPTUM_METHODS
            else resolve_registered(one, ERF_ATTRIBUTIONS)
            for one in attributions
        ]
    named_attributions(attributions)  # before anything is built
    shares_of_patches(steps, scale)

    def make(model: nn.Module, own: ContextOptions) -> FaithfulnessMeasurement:
        return FaithfulnessMeasurement(
            model, own, attributions, steps, scale, draws, patch_size
        )

    return run_on_copies(make, config, checkpoint, **options)


def context_from_config(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    layer: str | None = None,
    **options: Any,
) -> ContextResult:
    """Context curves of a config's model.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        layer (str, optional): None for the decode head's logits.
        **options: Further arguments of :func:`run_context`.

    Returns:
        ContextResult: Curves of each image. Warnings say what was chosen and
        which weights were not loaded.

    Raises:
        ERFError: As for :func:`run_context`.
    """
    return _warning(run_context(config, checkpoint, layer=layer, **options))


def context_from_module(
    module: str | os.PathLike | nn.Module,
    checkpoint: str | os.PathLike | None = None,
    *,
    img_dir: str | os.PathLike,
    module_options: Mapping[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    letterbox: Sequence[int] | None = None,
    **options: Any,
) -> ContextResult:
    """The same for a network without a config, on images from files.

    Args:
        module, checkpoint, img_dir, module_options, mean, std, letterbox:
            See :func:`mmerf.apis.erf_from_module`.
        **options: ``layer`` and the arguments of :func:`run_context`.

    Returns:
        ContextResult: Curves of each image.

    Raises:
        ERFError: If the network, weights, images or settings cannot be used.
    """
    config = module_config(module, module_options, mean, std, letterbox)
    return context_from_config(config, checkpoint, img_dir=img_dir, **options)


def _warning(run: ContextRun) -> Any:
    """A run's result; warns of what was chosen, or not loaded."""
    for note in run.warned:
        warnings.warn(note, stacklevel=3)
    return run.result
