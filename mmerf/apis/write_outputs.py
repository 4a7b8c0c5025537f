"""What a run leaves behind: files in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..core.atomic_files import file_stem, write_text
from ..core.errors import ConfigError
from ..plots import plot_layers, plot_map, plot_profile, save_figure
from ..plots.drawing.style import CMAP
from .erf import ERFRun


def write_report(
    run: ERFRun,
    out_dir: str | os.PathLike,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    suffix: str = 'png',
    over_image: bool = False,
) -> list[Path]:
    """Write ``erf.json``, a map and a figure a layer, and overviews.

    ``erf.<suffix>`` shows all maps, ``profile.<suffix>`` the contribution by
    distance, where there are ERFs.

    Args:
        run (ERFRun): What was measured.
        out_dir: The folder; it is created.
        normalization, cmap (str): Of the figures.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        over_image (bool): Draw the maps over the mean of the images.

    Returns:
        list[Path]: The files, ``erf.json`` and the overviews first.

    Raises:
        ConfigError: If ``over_image`` is asked for and there is no mean.
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
    files = []
    for layer, result in run.results.items():
        stem = folder / file_stem(layer)
        files.append(result.save(f'{stem}.npz'))
        figure, _ = plot_map(result, **style)
        files.append(save_figure(figure, f'{stem}.{suffix}'))
    overview, _ = plot_layers(run.results, **style)
    first = [
        write_text(folder / 'erf.json', json.dumps(record, indent=1) + '\n'),
        save_figure(overview, folder / f'erf.{suffix}'),
    ]
    fields = {k: r for k, r in run.results.items() if r.kind == 'erf'}
    if fields:
        profile, _ = plot_profile(fields)
        first.append(save_figure(profile, folder / f'profile.{suffix}'))
    return first + files
