"""Write what tiles change, and its figure, into a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...core.atomic_files import write_text
from ...plots.drawing.render import save_figure
from ...plots.tiles import plot_tiles
from .run import TilingRun


def write_tiles(
    run: TilingRun, out_dir: str | os.PathLike, suffix: str = 'png'
) -> list[Path]:
    """Write ``tiles.json``, ``.npz`` and the figure, and ``erf.npz``.

    Args:
        run (TilingRun): What was measured.
        out_dir: The folder; created if it does not exist.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.

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
        write_text(folder / 'tiles.json', json.dumps(record, indent=1) + '\n'),
        run.result.save(folder / 'tiles.npz'),
        save_figure(figure, folder / f'tiles.{suffix}'),
    ]
    if run.erf is not None:
        files.append(run.erf.save(folder / 'erf.npz'))
    return files
