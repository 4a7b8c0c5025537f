"""Write what was measured on changed copies, and its figure, into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.context.ranking import RankingResult
from ...plots import save_figure
from ...plots.context import plot_context
from ...plots.ranking import plot_ranking
from ..result_folder import write_record
from .run import ContextRun


def write_context(
    run: ContextRun,
    out_dir: str | os.PathLike,
    suffix: str = 'png',
    measured: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write ``context.json``, ``.npz`` and the figure, and ``erf.npz``.

    Of a ranking the files are called ``ranking``, and there is no ERF.

    Args:
        run (ContextRun): What was measured.
        out_dir: The folder; created if it does not exist.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        measured (mapping, optional): See :func:`mmerf.apis.write_report`.

    Returns:
        list[Path]: The files.
    """
    folder, result = Path(out_dir), run.result
    if isinstance(result, RankingResult):
        name, (figure, _) = 'ranking', plot_ranking(result)
    else:
        name, (figure, _) = 'context', plot_context(result)
    record = {
        'provenance': run.provenance,
        'notes': run.notes,
        'skipped': run.skipped,
        name: result.record(),
    }
    files = [
        result.save(folder / f'{name}.npz'),
        save_figure(figure, folder / f'{name}.{suffix}'),
    ]
    if not isinstance(result, RankingResult) and result.erf is not None:
        files.append(result.erf.save(folder / 'erf.npz'))
    return [
        write_record(folder / f'{name}.json', record, files, measured),
        *files,
    ]
