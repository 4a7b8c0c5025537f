"""Build a model, measure it on changed copies of images, and report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mmengine.config import Config
from mmengine.dist import get_world_size
from torch import nn

from ...core.context.base import UnitMeasurement
from ...core.context.options import ContextOptions
from ...core.context.ranking import RankingResult
from ...core.context.result import ContextResult
from ...core.errors import ConfigError, ImageError
from ...core.layers.defaults import OUTPUT
from ...engine.registry import ERF_TARGETS, resolve_registered
from ...engine.selection import check_num_images, check_order, chosen_indices
from ..config.config_file import load_config
from ..images.batches import measure_batch
from ..images.open_images import open_images
from ..images.source import ImageSource
from ..module.network import build_network
from ..run_notes import skipped_reasons
from ..run_provenance import provenance_of_run

Result = TypeVar('Result', ContextResult, RankingResult)
_LOGITS = ('decode_head', 'segmentation_head')  # mmseg's and smp's


@dataclass
class ContextRun(Generic[Result]):
    """A result, and what its user should know.

    Attributes:
        result (ContextResult or RankingResult): What was measured.
        skipped (dict[str, str]): Images that were left out, and why.
        notes (list[str]): What the user should know, one sentence per note.
        warned (list[str]): Those of the notes that say what was chosen, or
            not loaded.
        provenance (dict): Config, checkpoint, device, versions.
    """

    result: Result
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)


def run_on_copies(
    make: Callable[[nn.Module, ContextOptions], UnitMeasurement],
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    layer: str | None = None,
    target: Any = None,
    fill: Any = 'mean',
    threshold: float | None = None,
    num_images: int = 20,
    order: str = 'even',
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial_checkpoint: bool = False,
    cfg_options: Mapping | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ContextRun:
    """Measure a model on changed copies of a config's images.

    Args:
        make (callable): ``make(model, options)`` gives the measurement.
        config, checkpoint, img_dir, input_size, device: See
            :func:`mmerf.apis.erf_from_config`.
        layer (str, optional): None for the decode head's logits, else those
            of a segmentation head, else the model's own output.
        target: Units, as :func:`mmerf.measure_erf` takes them: a grid, a
            sample, one unit, or a class; None for a grid of 3 x 3.
        fill: What replaces a part of an image: ``'mean'``, ``'blur'``,
            ``'shuffle'`` or ``'other-image'``.
        threshold (float, optional): A layer with one channel is class 1
            above it; None for the decode head's own, else 0.
        num_images (int): How many images; all where there are fewer.
        batch_size (int, optional): Most changed copies in one pass; None for
            as many as memory holds.
        order, seed, trust_checkpoint, partial_checkpoint, cfg_options,
            progress: See :func:`mmerf.apis.run_erf`.

    Returns:
        ContextRun: The result, skipped images, notes and provenance.

    Raises:
        ERFError: If the config, checkpoint, images or settings cannot be
            used; its text is one line that says what would be right.
    """
    number, order = check_num_images(num_images), check_order(order)
    if get_world_size() > 1:
        raise ConfigError('context curves are measured in one process')
    options: dict = {
        'target': resolve_registered(target, ERF_TARGETS),
        'fill': fill,
        'threshold': threshold,
        'batch_size': batch_size,
        'seed': seed,
    }
    ContextOptions(layer or OUTPUT, input_size=input_size, **options)  # checks
    cfg = load_config(config, cfg_options)
    source = open_images(cfg, img_dir)
    network = build_network(
        cfg,
        checkpoint,
        device=device,
        seed=seed,
        trust_checkpoint=trust_checkpoint,
        partial=partial_checkpoint,
    )
    source.preprocessor = network.preprocessor
    options['input_size'] = network.size(input_size)
    options['classes'] = source.classes or network.loaded.get('classes')
    notes = []
    if layer is None:
        layer = logits_layer(network.model)
        if layer != _LOGITS[0]:
            notes.append(f'layer by default, as it makes the logits: {layer}')
    measurement = make(network.model, ContextOptions(layer, **options))
    indices = chosen_indices(len(source.paths), number, order)
    measurement.expect(len(indices))
    measure_on_copies(measurement, source, indices, progress)
    provenance = provenance_of_run(config, cfg, network, seed)
    result = measurement.compute(provenance)
    notes = [*network.notes, *notes, *source.notes]
    return ContextRun(
        result,
        source.skipped,
        notes + context_notes(result),
        network.warned,
        provenance,
    )


def logits_layer(model: nn.Module) -> str:
    """The layer that makes a model's logits, by its name.

    A decode head or a segmentation head; ``'.'``, the model's own output,
    where it has neither.
    """
    names = {name for name, _ in model.named_modules()}
    return next((name for name in _LOGITS if name in names), OUTPUT)


def measure_on_copies(
    measurement: UnitMeasurement,
    source: ImageSource,
    indices: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Measure a source's images one by one, skipping what cannot be read.

    Raises:
        ImageError: If no image could be measured.
    """
    for batch in source.batches(indices, 1):
        measure_batch(measurement, batch, source)
        if progress is not None:
            done = measurement.seen + len(source.skipped)
            progress(min(done, len(indices)), len(indices))
    if not measurement.seen:
        raise ImageError(
            f'none of the {len(indices)} image(s) of {source.where} could be '
            f'measured: {skipped_reasons(source.skipped)}'
        )


def context_notes(result: ContextResult | RankingResult) -> list[str]:
    """What the user should know of a result."""
    notes = []
    if result.definition['input'] != 'whole image':
        notes.append(f'measured on {result.definition["input"]}')
    sizes = result.provenance['sizes']
    if len(sizes) > 1 and isinstance(result, ContextResult):
        notes.append(
            f'images have {len(sizes)} sizes; squares end where an image '
            'does, and --input-size makes images alike'
        )
    if result.absent_images:
        notes.append(
            f'{result.absent_images} image(s) have no unit of the class'
        )
    if isinstance(result, ContextResult) and not result.pixel_known:
        notes.append(
            "where the units' pixels are is assumed, not read from the "
            'operations of the model: squares may be off their middle'
        )
    if isinstance(result, ContextResult) and result.erf_sides is None:
        notes.append('the ERF of these units is zero, or not finite')
    if sum(result.units) < 100:
        notes.append(
            f'{sum(result.units)} unit(s) in all: one flip is '
            f'{100 / sum(result.units):.1f} % of them'
        )
    return notes
