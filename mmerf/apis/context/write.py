"""Write context curves and their figure into a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...core.atomic_files import write_text
from ...plots import save_figure
from ...plots.context import plot_context
from .run import ContextRun


def write_context(
    run: ContextRun, out_dir: str | os.PathLike, suffix: str = 'png'
) -> list[Path]:
    """Write ``context.json``, ``context.npz``, ``erf.npz`` and the figure.

    Args:
        run (ContextRun): What was measured.
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
        'context': run.result.record(),
    }
    text = json.dumps(record, indent=1) + '\n'
    files = [
        write_text(folder / 'context.json', text),
        run.result.save(folder / 'context.npz'),
    ]
    if run.result.erf is not None:
        files.append(run.result.erf.save(folder / 'erf.npz'))
    figure, _ = plot_context(run.result)
    files.append(save_figure(figure, folder / f'context.{suffix}'))
    return files
