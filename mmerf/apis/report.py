"""What a run leaves behind: files in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..core.files import file_stem, write_text
from ..plots import plot_layers, plot_map, save_figure
from ..plots.style import CMAP
from .erf import ERFRun


def write_report(
    run: ERFRun,
    out_dir: str | os.PathLike,
    *,
    normalization: str = 'power',
    cmap: str = CMAP,
    suffix: str = 'png',
) -> list[Path]:
    """Write ``erf.json``, a map and a figure a layer, and ``erf.<suffix>``.

    Args:
        run (ERFRun): What was measured.
        out_dir: The folder; it is created.
        normalization, cmap (str): Of the figures.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.

    Returns:
        list[Path]: The files, ``erf.json`` and the overview first.
    """
    folder = Path(out_dir)
    style = {'normalization': normalization, 'cmap': cmap}
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
    return first + files
