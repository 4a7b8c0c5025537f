"""Write where context comes from: tables, files and figures by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.atomic_files import file_stem, write_text
from ..core.results.class_context import ClassContext
from ..plots import plot_by_class, save_figure
from .compare.table_files import as_csv


def write_contexts(
    contexts: Mapping[str, ClassContext], folder: Path, suffix: str
) -> list[Path]:
    """Write ``by_class.csv``, and an ``.npz`` and a figure per layer.

    Args:
        contexts (mapping): By layer; those without a row are left out.
        folder (Path): Of the results; layers go into its ``by_class``.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.

    Returns:
        list[Path]: The files, the table first.
    """
    found = {k: one for k, one in contexts.items() if one.rows}
    if not found:
        return []
    rows = [row for one in found.values() for row in one.table()]
    files = [write_text(folder / 'by_class.csv', as_csv(rows))]
    for layer, context in found.items():
        stem = folder / 'by_class' / file_stem(layer)
        files.append(context.save(f'{stem}.npz'))
        figure, _ = plot_by_class(context)
        files.append(save_figure(figure, f'{stem}.{suffix}'))
    return files
