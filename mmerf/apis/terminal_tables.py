"""Tables for the terminal: layers down, statistics across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from ..core.results.erf_result import ERFResult
from ..core.results.provenance import check_same_definition
from ..core.running.list_layers import ListedLayer
from .compare.comparison import Comparison
from .compare.table_files import words


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
    middle = str(0.5 if 0.5 in shares else shares[0])
    _columns(table, '(h, w)', 'unit at')
    _columns(table, *(f'side {share * 100:g} %' for share in shares))
    _columns(table, f'area {float(middle) * 100:g} %', 'images', 'zero score')
    for layer, result in results.items():
        statistics = result.statistics()
        squares = statistics['centred_square']
        errors = (statistics['uncertainty'] or {}).get('side', {})
        y, x = result.unit_pixel
        nothing = '-' if result.kind == 'erf' else result.kind
        cells = [
            nothing
            if squares is None
            else f'{squares[str(s)]["side"]} px{_error(errors, s)}'
            for s in shares
        ]
        ratio = None if squares is None else squares[middle]['area_ratio']
        left_out = f' (-{len(result.excluded)})' if result.excluded else ''
        if result.absent_images:
            left_out += f' of {result.num_images + result.absent_images}'
        table.add_row(
            layer,
            '-' if result.grid is None else f'{result.grid}',
            '-'
            if result.kind != 'erf'
            else f'({y:.4g}, {x:.4g})' + ('' if result.pixel_known else ' ?'),
            *cells,
            '-' if ratio is None else f'{ratio * 100:.3g} %',
            f'{result.num_images}{left_out}',
            str(result.zero_score_images),
        )
    return table


def shapes_table(
    results: Mapping[str, ERFResult], force: bool = False
) -> Table:
    """Theoretical field, size beside it, Gaussian, densest area.

    A picture of attention has none of these, and no row.
    """
    check_same_definition(results, force)
    table = Table(title='Shape, theory and worth')
    _columns(table, 'theory (px)', 'ERF size (px)', 'of theory')
    _columns(table, 'sigma y x (px)', 'fit y x (px)', 'R2', 'sy / sx')
    _columns(table, 'densest 50 %', 'worth')
    for layer, result in results.items():
        if result.kind != 'erf':
            continue
        found = result.statistics()
        size, bell = found['erf_size'] or {}, found['gaussian'] or {}
        moments, fit = bell.get('moments') or {}, bell.get('fit') or {}
        dense = (found['densest_area'] or {}).get('0.5') or {}
        worth = (found['uncertainty'] or {}).get('images_worth')
        table.add_row(
            layer,
            '-' if result.theory is None else str(result.theory),
            _number(size.get('size'), '.1f'),
            _number(size.get('theory_ratio'), '.2f'),
            _pair(moments.get('sigma_y'), moments.get('sigma_x')),
            _pair(fit.get('sigma_y'), fit.get('sigma_x')),
            _number(fit.get('r2'), '.2f'),
            _number(bell.get('anisotropy'), '.2f'),
            _number(dense.get('area_ratio'), '.2%'),
            _number(worth, '.1f'),
        )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """What ``compare_erf.py`` and ``sweep_erf.py`` print."""
    head, *rows = words(comparison.rows())
    table = Table(title='Comparison')
    for column in head:
        if column in head[:2]:
            table.add_column(column, overflow='fold')
        else:
            table.add_column(column, justify='right')
    for row in rows:
        table.add_row(*map(escape, row))
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


def _columns(table: Table, *names: str) -> None:
    if not table.columns:
        table.add_column('layer', overflow='fold')
    for name in names:
        table.add_column(name, justify='right')


def _error(errors: Mapping, share: float) -> str:
    stderr = errors.get(str(share), {}).get('stderr')
    return '' if stderr is None else f' ±{stderr:.2g}'


def _number(value: Any, form: str) -> str:
    return '-' if value is None else format(value, form)


def _pair(first: Any, second: Any) -> str:
    if first is None or second is None:
        return '-'
    return f'{first:.1f} {second:.1f}'
