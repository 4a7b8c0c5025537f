"""Write what tiles change, and its figure, into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...plots.drawing.render import save_figure
from ...plots.tiles import plot_tiles
from ..result_folder import write_record
from .run import TilingRun


def write_tiles(
    run: TilingRun,
    out_dir: str | os.PathLike,
    suffix: str = 'png',
    measured: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write ``tiles.json``, ``.npz`` and the figure, and ``erf.npz``.

    Args:
        run (TilingRun): What was measured.
        out_dir: The folder; created if it does not exist.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        measured (mapping, optional): See :func:`mmerf.apis.write_report`.

    Returns:
        list[Path]: The files.
    """
    folder = Path(out_dir)
    record = {
        'provenance': run.provenance,
        'notes': run.notes,
        'skipped': run.skipped,
        'tiles': run.result.record(run.within),
    }
    figure, _ = plot_tiles(run.result)
    files = [
        run.result.save(folder / 'tiles.npz'),
        save_figure(figure, folder / f'tiles.{suffix}'),
    ]
    if run.erf is not None:
        files.append(run.erf.save(folder / 'erf.npz'))
    return [
        write_record(folder / 'tiles.json', record, files, measured),
        *files,
    ]
