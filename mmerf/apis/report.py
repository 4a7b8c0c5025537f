"""What a run leaves behind: files in a folder, and a table to read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from ..core.files import file_stem, write_text
from ..core.listing import ListedLayer
from ..core.result import ERFResult
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


def results_table(results: Mapping[str, ERFResult]) -> Table:
    """Layers down, statistics across; sides in pixels."""
    table = Table(title='Effective receptive fields')
    table.add_column('layer', overflow='fold')
    table.add_column('(h, w)', justify='right')
    table.add_column('unit at', justify='right')
    shares = next(iter(results.values())).shares
    for share in shares:
        table.add_column(f'side {share * 100:g} %', justify='right')
    table.add_column('area 50 %' if 0.5 in shares else 'area', justify='right')
    table.add_column('images', justify='right')
    table.add_column('zero score', justify='right')
    for layer, result in results.items():
        squares = result.statistics()['centred_square']
        middle = str(0.5 if 0.5 in shares else shares[0])
        y, x = result.unit_pixel
        cells = [
            '-' if squares is None else f'{squares[str(s)]["side"]} px'
            for s in shares
        ]
        area = (
            '-'
            if squares is None
            else f'{squares[middle]["area_ratio"] * 100:.3g} %'
        )
        left_out = f' (-{len(result.excluded)})' if result.excluded else ''
        table.add_row(
            layer,
            '-' if result.grid is None else f'{result.grid}',
            f'({y:g}, {x:g})' + ('' if result.pixel_known else ' ?'),
            *cells,
            area,
            f'{result.num_images}{left_out}',
            str(result.zero_score_images),
        )
    return table


def layers_table(layers: list[ListedLayer]) -> Table:
    """What ``--list-layers`` prints."""
    table = Table(title='Layers of one forward (* measured by default)')
    table.add_column('layer', overflow='fold')
    table.add_column('class')
    table.add_column('returns', overflow='fold')
    table.add_column('(C, h, w)', justify='right')
    table.add_column('stride', justify='right')
    for layer in layers:
        table.add_row(
            layer.key + (' *' if layer.default else ''),
            layer.kind,
            layer.form,
            'state grid=(h, w)' if layer.shape is None else str(layer.shape),
            '?' if layer.stride is None else _stride(layer.stride),
        )
    return table


def _stride(stride: tuple[float, float]) -> str:
    down, across = stride
    return f'{down:g}' if down == across else f'{down:g} x {across:g}'
