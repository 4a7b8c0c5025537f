"""Config or module in, what tiles change out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size

from ...core.errors import ConfigError
from ...core.options import check_size
from ...core.results.erf_result import ERFResult
from ...core.tiling.grid import Tiling, tile_spans, tilings_of
from ...core.tiling.measure import TilingMeasurement
from ...core.tiling.recommend import MOST_WORSE, check_within
from ...core.tiling.result import TilingResult
from ...engine.registry import ERF_TARGETS, resolve_registered
from ...engine.selection import check_num_images, check_order, chosen_indices
from ..config.config_file import load_config
from ..images.open_images import open_images
from ..images.source import ImageSource
from ..module.network import build_network
from ..run_provenance import provenance_of_run
from .field import measure_field
from .prepared import each_prepared
from .proposals import proposed_windows, training_crop
from .segmentor_mode import SegmentorSlide, in_test_mode, slides


@dataclass
class TilingRun:
    """A result, and what its user should know.

    Attributes:
        result (TilingResult): What tiles change.
        within (float): How much worse than the best may be recommended.
        skipped (dict[str, str]): Images that were left out, and why.
        notes (list[str]): What the user should know, one sentence per note.
        warned (list[str]): Those of the notes that say what was chosen, or
            not loaded.
        provenance (dict): Config, checkpoint, device, versions.
        erf (ERFResult, optional): Whose sides the field's are.
    """

    result: TilingResult
    within: float = MOST_WORSE
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)
    erf: ERFResult | None = None


def run_tiles(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    windows: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    overlaps: Sequence[float] | None = None,
    within: float = MOST_WORSE,
    layer: str | None = None,
    target: Any = None,
    threshold: float | None = None,
    num_images: int = 20,
    order: str = 'even',
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial_checkpoint: bool = False,
    cfg_options: Mapping | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> TilingRun:
    """What sliding windows change in a model's predictions.

    Args:
        config, checkpoint, img_dir, input_size, device: See
            :func:`mmerf.apis.erf_from_config`.
        windows (sequence of int, optional): Sides of tiles, px; None for
            those of the squares that hold 50 and 99 % of the ERF, half of
            the latter, and those of the training's crops.
        strides (sequence of int, optional): From one tile to the next, px;
            each is used with the windows that are at least as large.
        overlaps (sequence of float, optional): Instead of strides: shares of
            the window; None for 0, 1/4 and 1/2.
        within (float): The smallest window and overlap are recommended that
            change at most this share of pixels more than the best.
        layer (str, optional): Whose ERF is the field; None for the decode
            head's, else a segmentation head's, else the model's own output.
        target: What of it is scored, as :func:`mmerf.measure_erf` takes it.
        threshold (float, optional): One channel of logits is class 1 above
            it; None for the decode head's own, else 0.
        num_images (int): How many images; all where there are fewer.
        order, seed, progress, say: See :func:`mmerf.apis.run_erf`.
        trust_checkpoint, partial_checkpoint, cfg_options: Likewise.

    Returns:
        TilingRun: The result, skipped images, notes and provenance.

    Raises:
        ERFError: If the config, checkpoint, images or settings cannot be
            used; its text is one line that says what would be right.
    """
    number, order = check_num_images(num_images), check_order(order)
    check_within(within)
    some = [max(strides or [1])] if windows is None else windows
    tilings_of(some, strides, overlaps)  # checks them
    if get_world_size() > 1:
        raise ConfigError('tiles are compared in one process')
    size = check_size(input_size)

    # build
    cfg = load_config(config, cfg_options)
    source = _open_with_labels(cfg, img_dir)
    network = build_network(
        cfg,
        checkpoint,
        device=device,
        seed=seed,
        trust_checkpoint=trust_checkpoint,
        partial=partial_checkpoint,
    )
    source.preprocessor = network.preprocessor
    size = check_size(network.size(size))
    indices = chosen_indices(len(source.paths), number, order)
    model, notes = network.model, []
    provenance = provenance_of_run(config, cfg, network, seed)

    # measure
    with in_test_mode(model, mode='whole'):
        say('measuring the field: the ERF of the logits')
        found = measure_field(
            model,
            each_prepared(model, source, indices, size, progress),
            layer,
            resolve_registered(target, ERF_TARGETS),
            provenance,
        )
        crop = training_crop(cfg)
        if windows is None:
            windows = proposed_windows(found.sides, crop, found.longest)
            notes.append(f'windows by default: {", ".join(map(str, windows))}')
        measurement = TilingMeasurement(
            model,
            tilings_of(windows, strides, overlaps),
            threshold,
            SegmentorSlide(model) if slides(model) else None,
        )
        measurement.check_cuts(found.longest)
        say('comparing tiles with whole images')
        for batch in each_prepared(model, source, indices, size, progress):
            measurement.update(batch)

    # report
    result = measurement.compute(
        provenance,
        layer=found.layer,
        sides=found.sides,
        bounds=found.bounds,
        crop_size=crop,
    )
    warned = network.warned + notes
    return TilingRun(
        result,
        check_within(within),
        source.skipped,
        [
            *network.notes,
            *notes,
            *source.notes,
            *found.notes,
            *_notes(result, model, strides),
        ],
        warned,
        provenance,
        found.erf,
    )


def _open_with_labels(
    cfg: Config, img_dir: str | os.PathLike | None
) -> ImageSource:
    """Images with labels, or without them where they cannot be loaded."""
    labelled = img_dir is None and not cfg.get('module')
    source = open_images(cfg, img_dir, labels=labelled)
    if not labelled:
        return source
    try:
        sample = source.load(0)['data_samples']
        if 'gt_sem_seg' in sample:
            return source
    except Exception:  # the pipeline may raise anything
        pass
    source = open_images(cfg, img_dir)
    source.notes.append('the images have no labels that load, so no mIoU')
    return source


def _notes(
    result: TilingResult, model: Any, strides: Sequence[int] | None
) -> list[str]:
    """What the user should know of a result."""
    notes = []
    test_cfg = getattr(model, 'test_cfg', None) or {}
    if test_cfg.get('mode') == 'slide':
        notes.append(
            'the config is in slide mode already (crop_size '
            f'{tuple(test_cfg["crop_size"])}, stride '
            f'{tuple(test_cfg["stride"])}); tiles are compared with whole '
            'images all the same'
        )
    left = [
        f'stride {stride} with window {window}'
        for window in sorted({t.window for t in result.tilings})
        for stride in sorted(set(strides or ()))
        if stride > window
    ]
    if left:
        notes.append(
            f'left out, as a stride is at most its window: {", ".join(left)}'
        )
    for number, tiling in enumerate(result.tilings):
        uncut = int((result.pixels[:, number].sum(axis=1) == 0).sum())
        if uncut:
            notes.append(
                f'{tiling} does not cut {uncut} of {len(result.images)} '
                'image(s); its shares are of the others'
            )
    same: dict[tuple, list[Tiling]] = {}
    for tiling in result.tilings:
        spans = [tile_spans(side, tiling) for s in result.sizes for side in s]
        same.setdefault(tuple(map(tuple, spans)), []).append(tiling)
    notes += [
        f'window {alike[0].window}: strides '
        f'{" and ".join(str(t.stride) for t in alike)} give the same tiles'
        for alike in same.values()
        if len(alike) > 1 and alike[0].window == alike[-1].window
    ]
    if len(result.images) == 1:
        notes.append('one image gives no standard error')
    return notes
