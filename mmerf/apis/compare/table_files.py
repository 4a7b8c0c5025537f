"""Comparisons as tables in files: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError, printable, shortened
from ...core.results.erf_result import ERFResult
from ...core.statistics import Number, shown_numbers
from ...core.statistics.base import CSV, REPORT
from .area_ratios import as_area_ratios
from .latex import tex_line

Row = dict[str, Any]
_SIZE_HEADING = 'ERF size (px)'  # by which a table of this command is known
THEORY_RANK = 30  # of the column of theoretical fields


def table_rows(
    runs: Mapping[str, Mapping[str, ERFResult]],
    layers: Sequence[str],
    gaps: Mapping[str, str] | None = None,
) -> list[Row]:
    """One row per run and layer, with numbers as they are.

    Args:
        runs (mapping): By name, then by layer.
        layers (sequence of str): In order.
        gaps (mapping, optional): Of runs without results, why; without it
            they have no such layer.

    Returns:
        list[dict]: All with the same keys. Sides, sizes, sigmas and places
        in input pixels, ratios as parts of one; None where there is none.
        ``note`` says why a row has none.
    """
    rows, gaps = [], gaps or {}
    for name, run in runs.items():
        if not run and name in gaps:
            rows.append({'run': name, 'layer': '', 'note': gaps[name]})
            continue
        for layer in layers:
            row: Row = {'run': name, 'layer': layer, 'note': 'no such layer'}
            if layer in run:
                row.update(_numbers(run[layer]), note=_note(run[layer]))
            rows.append(row)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys.append(keys.pop(keys.index('note')))
    return [{key: row.get(key) for key in keys} for row in rows]


def _note(result: ERFResult) -> str:
    return '' if result.kind == 'erf' else f'{result.kind}: no statistics'


def _numbers(result: ERFResult) -> Row:
    """What one result gives for a row, in the order of the columns."""
    found = result.statistics()
    row: Row = {}
    for name, number in _with_theory(shown_numbers(CSV, result.shares)):
        if number is None:
            row[name] = None if result.theory is None else str(result.theory)
            continue
        row[number.key] = number.value(found[name])
        if number.stderr:
            row[f'{number.key}_stderr'] = number.error(found['uncertainty'])
        if number.bound:
            row[f'{number.key}_is_bound'] = number.is_bound(found[name])
    return {
        **row,
        'unit_y': result.unit_pixel[0],
        'unit_x': result.unit_pixel[1],
        'map_h': result.map.shape[0],
        'map_w': result.map.shape[1],
        'images': result.num_images,
        'zero_score_images': result.zero_score_images,
    }


def _with_theory(
    numbers: Sequence[tuple[str, Number]],
) -> list[tuple[str, Number | None]]:
    """Numbers, with the theoretical field at its place among them."""
    before = [pair for pair in numbers if pair[1].rank < THEORY_RANK]
    after = [pair for pair in numbers if pair[1].rank >= THEORY_RANK]
    return [*before, ('theory', None), *after]


def as_csv(rows: Sequence[Row]) -> str:
    """Every number in full, for programs.

    A name that a spreadsheet would compute, since it begins as a formula
    does, gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(
        {key: _csv(value) for key, value in row.items()} for row in rows
    )
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """For people: sides with standard errors, sizes and shares."""
    head, *body = as_text(rows)
    numbers = ['---', '---', *['---:'] * (len(head) - 2)]
    lines = [head, numbers, *body]
    return ''.join(f'| {" | ".join(map(_md, line))} |\n' for line in lines)


def as_latex(rows: Sequence[Row]) -> str:
    """The same as a ``tabular`` with the rules of the booktabs package."""
    head, *body = as_text(rows)
    lines = [r'\begin{tabular}{ll' + 'r' * (len(head) - 2) + '}', r'\toprule']
    lines += [tex_line(head), r'\midrule', *map(tex_line, body)]
    lines += [r'\bottomrule', r'\end{tabular}']
    return '\n'.join(lines) + '\n'


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    '.md': as_markdown,
    '.csv': as_csv,
    '.tex': as_latex,
    '.areas.tex': as_area_ratios,
}
_STARTS = {
    '.md': r'\| run \| layer \|.* ERF size \(px\) \|',
    '.csv': r'run,layer,.*\berf_size,',
    '.tex': r'\\begin\{tabular\}\{llr+\}\s+\\toprule\s+'
    r'run & layer &.* ERF size \(px\) &',
    '.areas.tex': r'% Area ratios r of squares',
}


def check_tables(figure: Path, option: str = '--out') -> None:
    """Refuse to put tables where other files are.

    Args:
        figure (Path): The figure that the tables would stand beside.
        option (str): Of the command line, that names another place.

    Raises:
        ConfigError: If one would replace anything but such a table.
    """
    for suffix, start in _STARTS.items():
        path = figure.with_suffix(suffix)
        if not os.path.exists(path):
            continue
        if os.path.isfile(path):
            with path.open(encoding='utf-8', errors='replace') as file:
                if re.match(start, file.read(100_000)):
                    continue
        raise ConfigError(
            f'{path} would be replaced and is no table of this command; '
            f'choose another {option}'
        )


def as_text(rows: Sequence[Row]) -> list[list[str]]:
    """The rows as people read them, the headings first.

    A column of numbers that no row has is left out, but for the ERF size.
    """
    found = (re.fullmatch(r'side_([\d.e-]+)', key) for key in rows[0])
    shares = [float(match[1]) for match in found if match]
    numbers = _with_theory(shown_numbers(REPORT, shares)) if shares else []
    headings = [
        'theoretical field (px)' if number is None else number.heading
        for _, number in numbers
    ]
    table = [['run', 'layer', *headings, 'images']]
    for row in rows:
        note = shortened(row['note'], 80)
        layer = ': '.join(filter(None, (row['layer'], note)))
        line = [printable(row['run']), printable(layer)]
        for name, number in numbers:
            if number is None:
                line.append(row.get(name) or '-')
            else:
                error = row.get(f'{number.key}_stderr')
                bound = bool(row.get(f'{number.key}_is_bound'))
                value = row.get(number.key)
                line.append(number.format_value(value, error, bound))
        images = row.get('images')
        table.append([*line, '-' if images is None else str(images)])
    kept = [
        i
        for i, head in enumerate(table[0])
        if i < 2
        or head == _SIZE_HEADING
        or any(line[i] != '-' for line in table[1:])
    ]
    return [[line[i] for i in kept] for line in table]


def _csv(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text.startswith(('=', '+', '-', '@')) else text


def _md(cell: str) -> str:
    return cell.replace('|', r'\|').replace('<', '&lt;')
