"""Measure a network without one module after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...core.atomic_files import write_text
from ...core.options import check_without
from ...core.switching.requests import find_switches
from ...engine.selection import check_num_images
from ..compare.table_files import as_csv
from ..config.config_file import load_config
from ..module.network import build_network
from .changes import WHOLE_MODEL, changes_of, check_changes_file
from .variants import Sweep, SweepOutput, Variant, measure_variants


def erf_each_without(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    each: Sequence[str] | str,
    out_dir: str | os.PathLike,
    without: Sequence[str] | str | None = None,
    num_images: int = 50,
    cfg_options: Mapping | None = None,
    look: Mapping[str, Any] | None = None,
    suffix: str = 'png',
    title: str | None = None,
    measured: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Sweep:
    """Measure a network whole, and without each of some modules in turn.

    All are measured on the same images and units. A module that cannot be
    switched off becomes a gap with its reason.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        each (sequence of str): Names and globs of the modules, each with
            ``=zero`` or ``=identity`` behind it to state the way.
        out_dir: Gets ``without.<suffix>``, ``.md``, ``.csv``, ``.tex`` and
            ``.json``, the changes in ``without_changes.csv``, and one folder
            per variant, as ``tools/erf.py`` writes it.
        without (sequence of str, optional): Modules that are always off.
        num_images (int): How many images.
        cfg_options (mapping, optional): Settings to override.
        look (mapping, optional): How figures look: attributes of
            ``mmerf.plots.drawing.look.Look``.
        suffix, title (str): Of the figures.
        measured (mapping, optional): See :func:`mmerf.apis.write_report`.
        say (callable): Called with one line of text before each variant.
        **options: Further arguments of :func:`mmerf.apis.run_erf`.

    Returns:
        Sweep: The run of the whole network, ``'whole model'``, and one named
        ``'without MODULE'`` for each module. ``changes_of`` makes its table.

    Raises:
        ERFError: If no module matches, the whole network cannot be measured,
            or the folder cannot be written to.
    """
    output = SweepOutput(
        Path(out_dir), 'without', suffix, look or {}, title, measured
    )
    changes = output.folder / 'without_changes.csv'
    check_changes_file(changes)
    check_num_images(num_images)
    network = build_network(
        load_config(config, cfg_options),
        device='cpu',
        trust_checkpoint=options.get('trust_checkpoint', False),
        pretrained=False,
    )
    always = check_without(without)
    switches = find_switches(network.model, check_without(each))
    variants = [Variant(WHOLE_MODEL, {'without': always}, {}, required=True)]
    for switch in switches:
        text = '='.join(filter(None, (switch.name, switch.stated)))
        variants.append(
            Variant(
                f'without {switch.name}',
                {'without': (*always, text)},
                {'without': text},
            )
        )
    common = {
        'num_images': num_images,
        'cfg_options': cfg_options,
        **options,
    }
    return measure_variants(
        variants,
        output,
        (config, checkpoint),
        common,
        say=say,
        write_more=lambda found: write_text(
            changes, as_csv(changes_of(found))
        ),
    )
