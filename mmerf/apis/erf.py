"""Config and checkpoint in, ERFs out: build, measure, report."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from mmengine.config import Config

from ..core.aggregate.batch_maps import absent_everywhere
from ..core.build import build_target_and_attribution
from ..core.by_class.contexts import class_contexts
from ..core.errors import MeasurementError
from ..core.measurement import Measurement
from ..core.options import MeasurementOptions
from ..core.results.class_context import ClassContext
from ..core.results.erf_result import ERFResult
from ..core.statistics import SHARES
from ..engine.registry import (
    ERF_ATTRIBUTIONS,
    ERF_TARGETS,
    resolve_registered,
    use_statistics,
)
from ..engine.selection import check_num_images, check_order
from ..engine.theory import add_theory
from .config.config_file import load_config
from .images.each_image import ImageRun, check_one_process, image_runs
from .images.measure_images import image_under_maps, measure_images
from .images.open_images import open_images
from .module.network import build_network
from .run_notes import (
    default_layers_notes,
    deviation_notes,
    missing_maps,
    result_warnings,
    run_notes,
)
from .run_provenance import provenance_of_run
from .stopping import ToleranceStop


@dataclass
class ERFRun:
    """Results of a run, and what its user should know about it.

    Attributes:
        results (dict[str, ERFResult]): By layer.
        skipped (dict[str, str]): Images that were left out, and why.
        notes (list[str]): What the user should know, one sentence per note.
        warned (list[str]): Those of the notes that say what was chosen, or
            not loaded.
        warnings (list[str]): Those of the notes that say what is missing or
            not as it seems: weights, images, maps, fields.
        absent (dict[str, str]): Keys for which no image had the target, such
            as a class, and why.
        provenance (dict): Config, checkpoint, device, versions.
        image (np.ndarray, optional): A single image, (H, W, 3) or (H, W) of
            the maps, or several images' mean; None if they do not lie on it.
        images (list[ImageRun]): Every image's own results, with
            ``per_image``.
        by_class (dict[str, ClassContext]): By layer, with ``by_class``.
    """

    results: dict[str, ERFResult]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    image: np.ndarray | None = None
    warned: list[str] = field(default_factory=list)
    images: list[ImageRun] = field(default_factory=list)
    by_class: dict[str, ClassContext] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


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
            ``'auto'``: until the sides meet ``tolerance`` of
            :func:`run_erf`.
        img_dir: Any folder of images, or one image file; None for the
            validation set, or all of them where the config lists several.
        input_size (tuple[int, int], optional): Measure at this (H, W).
        device (str, optional): None for CUDA where there is one, else CPU.
        **options: Further arguments of :func:`run_erf`.

    Returns:
        dict[str, ERFResult]: By layer key. Warnings say what was chosen and
        which weights were not loaded.

    Raises:
        ERFError: If the config, checkpoint, images or settings cannot be
            used; its text is one line that says what would be right.
    """
    run = run_erf(
        config,
        checkpoint,
        layers=layers,
        num_images=num_images,
        img_dir=img_dir,
        input_size=input_size,
        device=device,
        **options,
    )
    for note in run.warned:
        warnings.warn(note, stacklevel=2)
    return run.results


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
    statistics: Sequence[Any] | None = None,
    per_image: bool = False,
    without: Sequence[str] | str | None = None,
    by_class: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ERFRun:
    """ERFs as :func:`erf_from_config` gives them, with notes on the run.

    Args:
        config, checkpoint, layers, img_dir, input_size, device: See
            :func:`erf_from_config`.
        num_images (int or str): A number, or ``'auto'``: until the sides at
            shares 0.5 and 0.99 of every layer have a relative standard error
            of at most ``tolerance``.
        tolerance (float): For ``'auto'``, in (0, 1).
        max_images (int): For ``'auto'``: stop after this many in any case.
        order (str): ``'even'``: spread evenly over the dataset; ``'first'``:
            the first images.
        batch_size (int, optional): Images in one pass; None for one on a
            CPU, for as many as memory holds on a GPU.
        target, attribution, shares, amp: See :func:`mmerf.measure_erf`.
        theory (bool): Also find every layer's theoretical receptive field.
        seed (int): Of initial weights and of every random draw.
        trust_checkpoint (bool): Allow a checkpoint whose pickle runs code.
        partial_checkpoint (bool): Load the weights that fit; the others keep
            their initial values and are named in the notes.
        cfg_options (mapping, optional): Settings to override, by dotted key.
        statistics (sequence, optional): Your own statistics, by import path
            or registered name; their numbers stand beside mmerf's.
        per_image (bool): Also keep every image's own results, 8 bytes per
            pixel of each map or window, image and layer; in one process.
        without (sequence of str, optional): Modules to switch off; see
            :func:`mmerf.measure_erf`.
        by_class (str, optional): ``'prediction'`` or ``'label'``: also find
            of which classes' pixels each class is decided; the target is a
            ClassRegion, None for every class's largest component.
        progress (callable, optional): Called with (images done, images in
            all) after each pass.
        say (callable): Called with one line of text before a step that takes
            long.

    Returns:
        ERFRun: Results, skipped images, notes and provenance.

    Raises:
        ERFError: If the config, checkpoint, images or settings cannot be
            used; its text is one line that says what would be right.
    """
    stop = None
    if num_images == 'auto':
        stop = ToleranceStop(tolerance, max_images)
    number = max_images if stop else check_num_images(num_images)
    check_order(order)
    if per_image:
        check_one_process()
    options = MeasurementOptions(
        layers,
        None,
        None,
        shares,
        input_size,
        batch_size,
        amp,
        per_image=per_image,
        without=without,
        by_class=by_class,
    )

    # build
    cfg = load_config(config, cfg_options)
    use_statistics(statistics)
    score, method = build_target_and_attribution(
        resolve_registered(target, ERF_TARGETS),
        resolve_registered(attribution, ERF_ATTRIBUTIONS),
        by_class,
    )
    source = open_images(cfg, img_dir, labels='labels' in score.needs)
    network = build_network(
        cfg,
        checkpoint,
        device=device,
        seed=seed,
        trust_checkpoint=trust_checkpoint,
        partial=partial_checkpoint,
    )
    source.preprocessor = network.preprocessor
    options = replace(
        options,
        target=score,
        attribution=method,
        classes=source.classes or network.loaded.get('classes'),
        input_size=network.size(options.input_size),
    )
    measurement = Measurement(network.model, options)
    mean = measure_images(measurement, source, number, order, stop, progress)

    notes = network.notes + run_notes(measurement, stop) + source.notes
    warnings = list(network.warned)
    if theory and measurement.kind == 'erf':
        say('finding the theoretical fields (--no-theory leaves them out)')
        warnings += add_theory(measurement)
    provenance = provenance_of_run(config, cfg, network, seed)
    results = measurement.compute(provenance)
    if not results:
        raise MeasurementError('; '.join([*notes, *missing_maps(measurement)]))
    notes += default_layers_notes(network.model, layers, results)
    notes += deviation_notes(results)
    warnings += result_warnings(measurement, results)
    return ERFRun(
        results,
        source.skipped,
        list(dict.fromkeys(notes + warnings)),
        absent_everywhere(measurement.accumulators),
        provenance,
        image_under_maps(mean, measurement, results),
        network.warned,
        image_runs(measurement, source, provenance) if per_image else [],
        class_contexts(measurement, results) if by_class else {},
        warnings,
    )
