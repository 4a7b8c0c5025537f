"""Tables for the terminal: layers down, statistics across."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ...core.errors import printable
from ...core.results.erf_result import ERFResult
from ...core.results.provenance import check_same_definition
from ...core.statistics import Number, shown_numbers
from ...core.statistics.base import SHAPES, SIZES
from ..compare.comparison import Comparison
from ..compare.table_files import as_text
from ..sweep.changes import WHOLE_MODEL, changes_of, changing_numbers

if TYPE_CHECKING:  # they would import torch
    from ...core.running.list_layers import ListedLayer
    from ..sweep.variants import Sweep


def results_table(
    results: Mapping[str, ERFResult], force: bool = False
) -> Table:
    """Sides of the centred squares, in pixels, with standard errors.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        force (bool): Also where their definitions differ.

    Raises:
        ConfigError: If they differ and ``force`` is not set.
    """
    check_same_definition(results, force)
    table = Table(title='Effective receptive fields')
    shares = next(iter(results.values())).shares
    numbers = shown_numbers(SIZES, shares)
    _columns(table, '(h, w)', 'unit at')
    table.columns[0].min_width = _width_of_names(results)
    _columns(table, *(number.heading for _, number in numbers))
    _columns(table, 'images', 'zero score')
    for layer, result in results.items():
        y, x = result.unit_pixel
        cells = _cells(result, numbers)
        if result.kind != 'erf':
            cells = [result.kind for _ in cells]
        left_out = f' (-{len(result.excluded)})' if result.excluded else ''
        if result.absent_images:
            left_out += f' of {result.num_images + result.absent_images}'
        table.add_row(
            _cell(layer),
            '-' if result.grid is None else f'{result.grid}',
            '-'
            if result.kind != 'erf'
            else f'({y:.4g}, {x:.4g})' + ('' if result.pixel_known else ' ?'),
            *cells,
            f'{result.num_images}{left_out}',
            str(result.zero_score_images),
        )
    return table


def shapes_table(
    results: Mapping[str, ERFResult], force: bool = False
) -> Table:
    """Theoretical field, and every other number that people read.

    A picture of attention has none of these, and no row.
    """
    check_same_definition(results, force)
    table = Table(title='Shape, theory and worth')
    numbers = shown_numbers(SHAPES)
    _columns(table, 'theory (px)')
    table.columns[0].min_width = _width_of_names(results)
    _columns(table, *(number.heading for _, number in numbers), 'worth')
    for layer, result in results.items():
        if result.kind != 'erf':
            continue
        worth = (result.statistics()['uncertainty'] or {}).get('images_worth')
        table.add_row(
            _cell(layer),
            '-' if result.theory is None else str(result.theory),
            *_cells(result, numbers),
            '-' if worth is None else f'{worth:.1f}',
        )
    return table


def _cells(
    result: ERFResult, numbers: Sequence[tuple[str, Number]]
) -> list[str]:
    """Numbers of a result as people read them."""
    found = result.statistics()
    return [
        number.text(found[name], found['uncertainty'])
        for name, number in numbers
    ]


def comparison_table(comparison: Comparison) -> Table:
    """What ``compare_erf.py`` and ``sweep_erf.py`` print."""
    head, *rows = as_text(comparison.rows())
    table = Table(title='Comparison')
    for column in head:
        if column in head[:2]:
            table.add_column(column, overflow='fold')
        else:
            table.add_column(column, justify='right')
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def changes_table(sweep: Sweep) -> Table:
    """What ``erf.py --each-without`` prints; gaps are named in the notes."""
    first = next(iter(sweep.runs[WHOLE_MODEL].results.values()))
    numbers = [number for _, number in changing_numbers(first.shares)]
    table = Table(title='Without each module (change from the whole model)')
    table.add_column('without', overflow='fold')
    _columns(table, 'way', 'layer')
    _columns(table, *(number.heading for number in numbers))
    _columns(table, 'total', 'elsewhere')
    for row in changes_of(sweep):
        if row['note']:
            continue
        changed = bool(row['without'])
        cells = [row['without'] or '-', row['way'] or '-', row['layer']]
        for number in numbers:
            change = row[f'{number.key}_change']
            text = number.format_value(row[number.key])
            if changed:
                text += f' ({_signed(change, number.form)})'
            cells.append(text)
        for key, form in (('total_change', '+.1f'), ('elsewhere', '.1f')):
            part = row[key] if changed else None
            cells.append(_in_percent(part, form))
        table.add_row(*map(_cell, cells))
    return table


def _signed(change: float | None, form: str) -> str:
    return '-' if change is None else format(change, f'+{form}')


def _in_percent(part: float | None, form: str) -> str:
    return '-' if part is None else f'{format(part * 100, form)} %'


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
            _cell(layer.key + (' *' if layer.default else '')),
            _cell(layer.kind),
            _cell(layer.form),
            'state grid=(h, w)' if layer.shape is None else str(layer.shape),
            '?' if layer.stride is None else _stride(layer.stride),
        )
    return table


def _cell(text: str) -> Text:
    """A name as it is: no markup, nothing that controls the terminal."""
    return Text(printable(text))


def _width_of_names(names: Iterable[str]) -> int:
    """Columns that keep names on one line, unless they are very long."""
    return min(max((len(printable(name)) for name in names), default=0), 40)


def _stride(stride: tuple[float, float]) -> str:
    down, across = stride
    return f'{down:g}' if down == across else f'{down:g} x {across:g}'


def _columns(table: Table, *names: str) -> None:
    if not table.columns:
        table.add_column('layer', overflow='fold')
    for name in names:
        table.add_column(name, justify='right')
