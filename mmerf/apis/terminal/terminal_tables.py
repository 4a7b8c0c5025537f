"""Tables for the terminal: layers down, statistics across.

A table has at most five columns, so that it fits 100 characters; what has
more numbers becomes several tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ...core.errors import printable
from ...core.results.erf_result import ERFResult
from ...core.results.provenance import check_same_definition
from ...core.statistics import Number, headline_shares, shown_numbers
from ...core.statistics.base import SHAPES, SIZES
from ..compare.comparison import Comparison
from ..compare.table_files import as_text

if TYPE_CHECKING:  # it would import torch
    from ...core.running.list_layers import ListedLayer

MOST_COLUMNS = 5
_NAME_WIDTH = 40  # columns that a name keeps to itself


def tables_of(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    names: int = 1,
) -> list[Table]:
    """Rows as tables of at most five columns.

    Args:
        title (str): Of every table.
        head (sequence of str): Headings of the columns.
        rows (sequence): Cells; they may hold anything.
        names (int): How many of the first columns are names; every table
            has them.
    """
    step = MOST_COLUMNS - names
    tables = []
    for start in range(names, len(head), step):
        shown = [*range(names), *range(start, min(start + step, len(head)))]
        table = Table(title=title)
        for i in shown:
            if i < names:
                width = _width_of_names([head[i], *(row[i] for row in rows)])
                table.add_column(head[i], overflow='fold', min_width=width)
            else:
                table.add_column(head[i], justify='right')
        for row in rows:
            table.add_row(*(name_cell(row[i]) for i in shown))
        tables.append(table)
    return tables


def results_table(
    results: Mapping[str, ERFResult], force: bool = False
) -> Table:
    """Where the unit is, two sides with standard errors, and the field.

    Args:
        results (mapping of str to ERFResult): By layer, in drawing order.
        force (bool): Also where their definitions differ.

    Raises:
        ConfigError: If they differ and ``force`` is not set.
    """
    check_same_definition(results, force)
    numbers = _headline_sides(results)
    head = [
        'layer',
        'unit at (y, x)',
        *(number.heading for _, number in numbers),
        'theoretical field (px)',
    ]
    rows = [
        [
            layer,
            _pixel(result),
            *_cells(result, numbers),
            '-' if result.theory is None else str(result.theory),
        ]
        for layer, result in results.items()
    ]
    counts = {result.num_images for result in results.values()}
    over = f', mean over {counts.pop()} image(s)' if len(counts) == 1 else ''
    (table,) = tables_of(f'Effective receptive fields{over}', head, rows)
    return table


def more_tables(
    results: Mapping[str, ERFResult], force: bool = False
) -> list[Table]:
    """Every other number that people read.

    A picture of attention has none of these, and no row.
    """
    check_same_definition(results, force)
    fields = {k: v for k, v in results.items() if v.kind == 'erf'}
    if not fields:
        return []
    first = _headline_sides(results)
    shares = next(iter(results.values())).shares
    sizes = [p for p in shown_numbers(SIZES, shares) if p not in first]
    shapes = shown_numbers(SHAPES)
    return [
        *tables_of(
            'Sizes and images',
            [
                'layer',
                *(number.heading for _, number in sizes),
                'grid (h, w)',
                'images',
                'zero scores',
                'worth (images)',
            ],
            [
                [layer, *_cells(result, sizes), *_counts(result)]
                for layer, result in fields.items()
            ],
        ),
        *tables_of(
            'Shapes',
            ['layer', *(number.heading for _, number in shapes)],
            [
                [layer, *_cells(result, shapes)]
                for layer, result in fields.items()
            ],
        ),
    ]


def _headline_sides(
    results: Mapping[str, ERFResult],
) -> list[tuple[str, Number]]:
    """The sides that the first table shows: at two shares."""
    shares = next(iter(results.values())).shares
    keys = [f'side_{share}' for share in headline_shares(shares)]
    return [p for p in shown_numbers(SIZES, shares) if p[1].key in keys]


def _pixel(result: ERFResult) -> str:
    if result.kind != 'erf':
        return result.kind
    y, x = result.unit_pixel
    return f'({y:.1f}, {x:.1f})' + ('' if result.pixel_known else ' ?')


def _counts(result: ERFResult) -> list[str]:
    """Grid, images, zero scores and worth."""
    left_out = f' (-{len(result.excluded)})' if result.excluded else ''
    if result.absent_images:
        left_out += f' of {result.num_images + result.absent_images}'
    worth = (result.statistics()['uncertainty'] or {}).get('images_worth')
    return [
        'several' if result.grid is None else f'{result.grid}',
        f'{result.num_images}{left_out}',
        str(result.zero_score_images),
        '-' if worth is None else f'{worth:.1f}',
    ]


def _cells(
    result: ERFResult, numbers: Sequence[tuple[str, Number]]
) -> list[str]:
    """Numbers of a result as people read them."""
    found = result.statistics()
    return [
        number.text(found[name], found['uncertainty'])
        for name, number in numbers
    ]


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What ``compare_erf.py`` prints: five columns, then all others."""
    head, *rows = as_text(comparison.rows())
    results = [r for run in comparison.runs.values() for r in run.values()]
    sides = [n.heading for _, n in _headline_sides({'': results[0]})]
    first = [
        0,
        1,
        *(
            head.index(h)
            for h in (*sides, 'theoretical field (px)')
            if h in head
        ),
    ]
    rest = [0, 1, *(i for i in range(2, len(head)) if i not in first)]
    return [
        table
        for columns in (first, rest)
        for table in tables_of(
            'Comparison',
            [head[i] for i in columns],
            [[row[i] for i in columns] for row in rows],
            names=2,
        )
    ]


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
            name_cell(layer.key + (' *' if layer.default else '')),
            name_cell(layer.kind),
            name_cell(layer.form),
            'state grid=(h, w)' if layer.shape is None else str(layer.shape),
            '?' if layer.stride is None else _stride(layer.stride),
        )
    return table


def name_cell(text: str) -> Text:
    """A name as it is: no markup, nothing that controls the terminal."""
    return Text(printable(text))


def _width_of_names(names: Iterable[str]) -> int:
    """Columns that keep names on one line, unless they are very long."""
    return min(max(len(printable(name)) for name in names), _NAME_WIDTH)


def _stride(stride: tuple[float, float]) -> str:
    down, across = stride
    return f'{down:g}' if down == across else f'{down:g} x {across:g}'
