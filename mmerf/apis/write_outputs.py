"""Write a run's results and figures into a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..core.atomic_files import check_file_name, file_stem, write_text
from ..core.errors import ConfigError
from ..plots import plot_map, save_figure
from ..plots.drawing.style import CMAP
from ..plots.table import OVERVIEWS
from .erf import ERFRun


def check_out_folder(folder: str | os.PathLike) -> None:
    """Refuse an out dir before anything is measured for it.

    Raises:
        ConfigError: If it is a file, or no folder can have its name.
    """
    check_file_name(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f'{folder} is a file; name a folder with --out-dir')


def write_report(
    run: ERFRun,
    out_dir: str | os.PathLike,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    suffix: str = 'png',
    over_image: bool = False,
) -> list[Path]:
    """Write ``erf.json``, overviews, and one map and figure per layer.

    The overviews are those of ``mmerf.plots.table``: ``erf.<suffix>`` shows
    all maps, ``profile.<suffix>`` the contribution by distance from the unit,
    where there are ERFs.

    Args:
        run (ERFRun): What was measured.
        out_dir: The folder; created if it does not exist.
        normalization, cmap (str): Of the figures.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        over_image (bool): Draw the maps over the mean of the images.

    Returns:
        list[Path]: The files, ``erf.json`` and the overviews first.

    Raises:
        ConfigError: If ``over_image`` is set and ``run.image`` is None.
    """
    folder = Path(out_dir)
    if over_image and run.image is None:
        raise ConfigError(
            'the maps do not lie on one image, where images differ in size '
            '(give one with --input-size), are measured in windows, or units '
            'sit at different places; leave out --over-image'
        )
    style: dict = {'normalization': normalization, 'cmap': cmap}
    style['image'] = run.image if over_image else None
    record = {
        'provenance': run.provenance,
        'notes': run.notes,
        'skipped': run.skipped,
        'absent': run.absent,
        'layers': {k: result.record() for k, result in run.results.items()},
    }
    layer_files = []
    for layer, result in run.results.items():
        stem = folder / file_stem(layer)
        layer_files.append(result.save(f'{stem}.npz'))
        figure, _ = plot_map(result, **style)
        layer_files.append(save_figure(figure, f'{stem}.{suffix}'))
    text = json.dumps(record, indent=1) + '\n'
    files = [write_text(folder / 'erf.json', text)]
    for name, overview in OVERVIEWS.items():
        shown = {
            layer: result
            for layer, result in run.results.items()
            if result.kind == 'erf' or overview.attention
        }
        if shown:
            figure = overview.draw(shown, style)
            files.append(save_figure(figure, folder / f'{name}.{suffix}'))
    return files + layer_files
