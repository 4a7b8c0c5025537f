"""Measure every combination of some settings, and compare them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...core.options import check_size
from ...engine.selection import check_num_images
from ..config.config_file import load_config
from .common_pixel import common_middle
from .variants import Sweep, SweepOutput, Variant, measure_variants
from .vary import check_keys, combinations


def sweep_erf(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    vary: Mapping[str, Any],
    out_dir: str | os.PathLike,
    target: Any = None,
    num_images: int = 50,
    order: str = 'even',
    img_dir: str | os.PathLike | None = None,
    input_size: Sequence[int] | None = None,
    cfg_options: Mapping | None = None,
    layers: Sequence[str] | None = None,
    look: Mapping[str, Any] | None = None,
    suffix: str = 'png',
    title: str | None = None,
    force: bool = False,
    measured: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Sweep:
    """Build and measure every combination of settings, and compare them.

    All combinations are measured on the same images. By default the target
    is the unit nearest to one input pixel, the middle of the smallest image.
    Initial weights come from one seed; a checkpoint's weights are loaded
    where they fit. A combination that cannot be built or measured becomes a
    gap with its reason.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        vary (mapping): Dotted config key to a list of values, or to a
            mapping of their names to values; the last key changes fastest.
        out_dir: Gets ``sweep.<suffix>``, ``.md``, ``.csv``, ``.tex`` and
            ``.json``, and one folder per combination, as ``tools/erf.py``
            writes it.
        target: See :func:`mmerf.measure_erf`; None for the unit nearest to
            that pixel.
        num_images, order, img_dir, input_size, cfg_options, layers: See
            :func:`mmerf.apis.run_erf`.
        look (mapping, optional): How figures look: attributes of
            ``mmerf.plots.drawing.look.Look``.
        suffix, title (str): Of the figures.
        force (bool): Compare even if definitions differ.
        measured (mapping, optional): See :func:`mmerf.apis.write_report`.
        say (callable): Called with one line of text before each combination.
        **options: Further arguments of :func:`mmerf.apis.run_erf`.

    Returns:
        Sweep: The runs, the gaps and the comparison.

    Raises:
        ConfigError: If a key is not in the config or read by no measurement,
            no combination can be measured, the folder cannot be written to or
            holds other files of these names, or a combination's definition
            differs from those before it and ``force`` is not set.
    """
    output = SweepOutput(
        Path(out_dir), 'sweep', suffix, look or {}, title, measured
    )
    check_num_images(num_images)
    cfg = load_config(config, cfg_options)
    check_keys(cfg, vary)
    every = combinations(vary)
    if target is None:
        y, x = common_middle(
            cfg,
            every,
            check_size(input_size),
            img_dir,
            num_images,
            order,
            trust=options.get('trust_checkpoint', False),
        )
        target = {'type': 'Pixel', 'y': y, 'x': x}
    common = {
        'layers': layers,
        'num_images': num_images,
        'order': order,
        'img_dir': img_dir,
        'input_size': input_size,
        'target': target,
        'partial_checkpoint': True,
        **options,
    }
    variants = [
        Variant(
            combination.name,
            {'cfg_options': {**(cfg_options or {}), **combination.options}},
            combination.options,
            settings=combination.settings,
        )
        for combination in every
    ]
    return measure_variants(
        variants, output, (config, checkpoint), common, force, say
    )
