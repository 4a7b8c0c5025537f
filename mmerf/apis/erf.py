"""Config and checkpoint in, ERFs out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import mmseg
import numpy as np
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size

from ..core.errors import (
    ConfigError,
    ImageError,
    MeasurementError,
)
from ..core.measurement import Measurement
from ..core.question import build_question, needs_labels
from ..core.result import ERFResult
from ..core.statistics import SHARES
from ..engine.ranks import gathered
from ..engine.selection import check_num_images, check_order, chosen_indices
from ..engine.theory import add_theory
from .auto import Enough, spread_indices
from .batches import measure_batch, own_share, pass_size
from .config import load_config
from .images import open_images
from .mean_image import MeanImage
from .model import build_model
from .notes import (
    checkpoint_notes,
    deviation_notes,
    skipped_reasons,
    zero_notes,
)


@dataclass
class ERFRun:
    """Results of a run, with what happened on the way.

    Attributes:
        results (dict[str, ERFResult]): By layer.
        skipped (dict[str, str]): Images that were left out, and why.
        notes (list[str]): What the user should know, a sentence each.
        absent (dict[str, str]): Results that there are none of, such as
            classes that no image has, and a line each.
        provenance (dict): Config, checkpoint, device, versions.
        image (np.ndarray, optional): Mean brightness of the images, of the
            maps' (H, W), where they have one size.
    """

    results: dict[str, ERFResult]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    image: np.ndarray | None = None


def erf_from_config(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    layers: Sequence[str | dict] | str | None = None,
    num_images: int | str = 50,
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    device: str | None = None,
    **options: Any,
) -> dict[str, ERFResult]:
    """ERFs of a config's model on its validation set or on any images.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        layers (sequence of str, optional): See :func:`mmerf.measure_erf`.
        num_images (int or str): How many images; all where there are fewer.
            ``'auto'``: until the sides are sure.
        img_dir: Any folder of images; None for the validation set.
        input_size (tuple[int, int], optional): Measure at this (H, W).
        device (str, optional): None for CUDA where there is one, else CPU.
        **options: As :func:`run_erf` takes them.

    Returns:
        dict[str, ERFResult]: By layer key.

    Raises:
        ERFError: One line for whatever the user can mend.
    """
    return run_erf(
        config,
        checkpoint,
        layers=layers,
        num_images=num_images,
        img_dir=img_dir,
        input_size=input_size,
        device=device,
        **options,
    ).results


def run_erf(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    layers: Sequence[str | dict] | str | None = None,
    num_images: int | str = 50,
    tolerance: float = 0.02,
    max_images: int = 500,
    order: str = 'even',
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    target: Any = None,
    attribution: Any = None,
    shares: Sequence[float] = SHARES,
    amp: str | None = None,
    theory: bool = True,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial_checkpoint: bool = False,
    cfg_options: Mapping | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ERFRun:
    """The same, with the images left out and the provenance.

    Args:
        num_images (int or str): A number, or ``'auto'``: until the sides at
            50 % and 99 % of every layer have a relative standard error of at
            most ``tolerance``, with at most ``max_images``.
        order (str): ``'even'`` over the dataset, or the ``'first'`` images.
        batch_size (int, optional): Images in one pass; None for one on a
            processor, for as many as memory holds on a GPU.
        target, attribution, shares, amp: See :func:`mmerf.measure_erf`.
        theory (bool): Also find every layer's theoretical receptive field.
        seed (int): Of initial weights and of whatever is drawn.
        trust_checkpoint (bool): Allow a checkpoint that runs code.
        partial_checkpoint (bool): Load what fits of it, and say the rest.
        cfg_options (mapping, optional): Settings to override, by dotted key.
        progress (callable, optional): Told (images done, images in all).
        say (callable): Told what takes long next, a line each.

    Returns:
        ERFRun: Results, skipped images, notes and provenance.

    Raises:
        ERFError: One line for whatever the user can mend.
    """
    enough = Enough(tolerance, max_images) if num_images == 'auto' else None
    number = max_images if enough else check_num_images(num_images)
    check_order(order)
    cfg = load_config(config, cfg_options)
    target, attribution = build_question(target, attribution)
    source = open_images(cfg, img_dir, labels=needs_labels(target))
    model, loaded = build_model(
        cfg,
        checkpoint,
        device=device,
        seed=seed,
        trust_checkpoint=trust_checkpoint,
        partial=partial_checkpoint,
    )
    measurement = Measurement(
        model,
        layers,
        target=target,
        attribution=attribution,
        shares=shares,
        input_size=input_size,
        batch_size=batch_size,
        amp=amp,
        classes=source.classes or loaded.get('classes'),
    )
    if enough and measurement.kind != 'erf':
        raise ConfigError(
            "num_images='auto' waits for sure sides, which a picture of "
            'attention has not; give a number'
        )
    choose = spread_indices if enough else chosen_indices
    indices = choose(len(source.paths), number, order)
    if enough and get_world_size() > 1:
        raise ConfigError(
            "num_images='auto' runs in one process; give a number"
        )
    failure, mean = None, MeanImage()
    try:
        for batch in source.batches(
            own_share(indices), partial(pass_size, measurement)
        ):
            mean.add(batch['inputs'])
            measure_batch(measurement, batch, source)
            if progress is not None:
                done = measurement.seen + len(source.skipped)
                progress(
                    min(done * get_world_size(), len(indices)), len(indices)
                )
            if enough and enough.met(measurement):
                break
    except Exception as error:
        if get_world_size() == 1:
            raise
        failure = error
    for every in gathered(measurement, failure):
        raise every
    for skipped in all_gather_object(source.skipped):
        source.skipped.update(skipped)
    if not measurement.seen:
        raise ImageError(
            f'none of the {len(indices)} image(s) of {source.where} could be '
            f'measured: {skipped_reasons(source.skipped)}'
        )
    provenance = _provenance(config, cfg, loaded, model, seed)
    notes = checkpoint_notes(checkpoint, loaded)
    notes.append(f'run on {measurement.passes.said}')
    if measurement.input_kind != 'whole image':
        notes.append(f'measured on {measurement.input_kind}')
    notes += [f'{k}: {why}' for k, why in measurement.failures().items()]
    absent = measurement.absent()
    notes += absent.values()
    if enough:
        notes.append(enough.said(measurement))
    if theory and measurement.kind == 'erf':
        say('finding the theoretical fields (--no-theory leaves them out)')
        reason = add_theory(measurement)
        notes += [] if reason is None else [reason]
    results = measurement.compute(provenance)
    if not results:
        raise MeasurementError('; '.join(notes))
    notes += [
        f'{layer}: left out as not finite: {", ".join(names[:5])}'
        for layer, names in measurement.excluded().items()
    ]
    notes += zero_notes(results) + deviation_notes(results)
    shapes = {result.map.shape for result in results.values()}
    image = None
    if (
        measurement.input_kind == 'whole image'
        and len(shapes) == 1
        and all(result.coverage is None for result in results.values())
    ):
        image = mean.grey(shapes.pop(), input_size is not None)
    return ERFRun(results, source.skipped, notes, absent, provenance, image)


def _provenance(
    config: Any, cfg: Config, loaded: Mapping, model: Any, seed: int
) -> dict:
    name = config if isinstance(config, (str, os.PathLike)) else cfg.filename
    path = loaded.get('path')
    return {
        'config': None if name is None else os.fspath(name),
        'checkpoint': None if path is None else Path(path).name,
        'checkpoint_sha256': loaded.get('sha256'),
        'device': str(next(model.parameters()).device),
        'seed': seed,
        'mmengine': mmengine.__version__,
        'mmcv': mmcv.__version__,
        'mmseg': mmseg.__version__,
    }
