"""Write a run's results and figures into a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.atomic_files import file_stem, recorded_files, write_text
from ..core.errors import ConfigError
from ..plots import plot_map, save_figure
from ..plots.table import OVERVIEWS
from .compare.table_files import Row, as_csv, table_rows
from .context_outputs import write_contexts
from .erf import ERFRun
from .images.each_image import ImageRun
from .result_folder import write_record


def write_report(
    run: ERFRun,
    out_dir: str | os.PathLike,
    *,
    suffix: str = 'png',
    over_image: bool = False,
    measured: Mapping[str, Any] | None = None,
    **look: Any,
) -> list[Path]:
    """Write ``erf.json``, overviews, and one map and figure per layer.

    The overviews are those of ``mmerf.plots.table``: ``erf.<suffix>`` shows
    all maps, ``profile.<suffix>`` the contribution by distance from the unit,
    where there are ERFs. The images' own results, if the run has them, get
    one row per image and layer in ``images.csv`` and in ``erf.json``, and a
    folder each, ``images/<number>_<name>``, with maps, ``erf.json`` and one
    figure. Contexts by class, if the run has them, are ``by_class.csv``, in
    ``erf.json``, and a file and figure per layer in ``by_class``. Files that
    an older ``erf.json`` there lists and the new one does not are removed.

    Args:
        run (ERFRun): What was measured.
        out_dir: The folder; created if it does not exist.
        suffix (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        over_image (bool): Draw the maps over the photograph, or over the mean
            of several.
        measured (mapping, optional): What ``erf.json`` says was measured, so
            that a tool replaces no result of something else.
        **look: How figures look: attributes of
            ``mmerf.plots.drawing.look.Look``.

    Returns:
        list[Path]: The files but those of the images' folders: first
        ``erf.json``, the tables and the overviews.

    Raises:
        ConfigError: If ``over_image`` is set and an image to draw is None.
    """
    folder = Path(out_dir)
    pictures = [run.image, *(one.image for one in run.images)]
    if over_image and any(picture is None for picture in pictures):
        raise ConfigError(
            'the maps do not lie on one image, where images differ in size '
            '(give one with --input-size), are measured in windows, or units '
            'sit at different places; leave out --over-image'
        )
    style = {**look, 'image': run.image if over_image else None}
    record = {
        'provenance': run.provenance,
        'notes': run.notes,
        'skipped': run.skipped,
        'absent': run.absent,
        'layers': {k: result.record() for k, result in run.results.items()},
    }
    with recorded_files() as written:
        tables, layer_files = _write_results(
            run, folder, style, suffix, over_image, record
        )
        overviews = _write_overviews(run, folder, style, suffix)
    own = write_record(folder / 'erf.json', record, written, measured)
    return [own, *tables, *overviews, *layer_files]


def _write_results(
    run: ERFRun,
    folder: Path,
    style: Mapping,
    suffix: str,
    over_image: bool,
    record: dict,
) -> tuple[list[Path], list[Path]]:
    """Write tables, and every layer's files; the record gets their rows."""
    layer_files = []
    for layer, result in run.results.items():
        stem = folder / file_stem(layer)
        layer_files.append(result.save(f'{stem}.npz'))
        figure, _ = plot_map(result, **style)
        layer_files.append(save_figure(figure, f'{stem}.{suffix}'))
    tables = []
    if run.images:
        rows = _write_images(run, folder, style, suffix, over_image)
        record['images'] = rows
        tables = [write_text(folder / 'images.csv', as_csv(rows))]
    if run.by_class:
        record['by_class'] = {k: c.record() for k, c in run.by_class.items()}
        tables += write_contexts(run.by_class, folder, suffix)
    return tables, layer_files


def _write_overviews(
    run: ERFRun, folder: Path, style: Mapping, suffix: str
) -> list[Path]:
    files = []
    for name, overview in OVERVIEWS.items():
        shown = {
            layer + result.label.removeprefix(result.layer): result
            for layer, result in run.results.items()
            if result.kind == 'erf' or overview.attention
        }
        if shown:
            figure = overview.draw(shown, style)
            files.append(save_figure(figure, folder / f'{name}.{suffix}'))
    return files


def _write_images(
    run: ERFRun,
    folder: Path,
    style: Mapping,
    suffix: str,
    over_image: bool,
) -> list[Row]:
    """Write a folder per image; one row per image and layer."""
    digits = len(str(len(run.images) - 1))
    places = {
        f'images/{number:0{digits}}_{file_stem(Path(one.name).stem)}': one
        for number, one in enumerate(run.images)
    }
    for place, one in places.items():
        for layer, result in one.results.items():
            result.save(folder / place / f'{file_stem(layer)}.npz')
        if one.results:
            own_style = {**style, 'image': one.image if over_image else None}
            figure = OVERVIEWS['erf'].draw(one.results, own_style)
            save_figure(figure, folder / place / f'erf.{suffix}')
        record = {
            'provenance': {**run.provenance, 'image': one.name},
            'layers': {k: v.record() for k, v in one.results.items()},
        }
        text = json.dumps(record, indent=1) + '\n'
        write_text(folder / place / 'erf.json', text)
    rows = table_rows(
        {place: one.results for place, one in places.items()},
        list(run.results),
    )
    return [_image_row(row, places[row['run']]) for row in rows]


def _image_row(row: Row, one: ImageRun) -> Row:
    named = {'image': one.name, 'folder': row['run'], **row}
    del named['run']
    if row['layer'] not in one.results:
        named['note'] = 'not in this image, or its map is not finite'
    return named
