"""Comparisons as tables in files: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError, shortened
from ...core.results.erf_result import ERFResult

Row = dict[str, Any]
_TEX = {
    **{c: f'\\{c}' for c in '&%$#_{}'},
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '±': r'$\pm$',
    '×': r'$\times$',
    '>': '$>$',
    '<': '$<$',
}


def table_rows(
    runs: Mapping[str, Mapping[str, ERFResult]],
    layers: Sequence[str],
    gaps: Mapping[str, str] | None = None,
) -> list[Row]:
    """One row a run and layer, with numbers as they are.

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
    found = result.statistics()
    squares = found['centred_square'] or {}
    errors = (found['uncertainty'] or {}).get('side', {})
    row: Row = {}
    for share in map(str, result.shares):
        square = squares.get(share, {})
        row[f'side_{share}'] = square.get('side')
        row[f'side_{share}_stderr'] = errors.get(share, {}).get('stderr')
        row[f'area_ratio_{share}'] = square.get('area_ratio')
    size = found['erf_size'] or {}
    moments = (found['gaussian'] or {}).get('moments') or {}
    return {
        **row,
        'erf_size': size.get('size'),
        'theory': None if result.theory is None else str(result.theory),
        'sigma_y': moments.get('sigma_y'),
        'sigma_x': moments.get('sigma_x'),
        'unit_y': result.unit_pixel[0],
        'unit_x': result.unit_pixel[1],
        'map_h': result.map.shape[0],
        'map_w': result.map.shape[1],
        'images': result.num_images,
        'zero_score_images': result.zero_score_images,
    }


def as_csv(rows: Sequence[Row]) -> str:
    """Every number in full, for programs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """For people: sides with standard errors, sizes and shares."""
    head, *body = words(rows)
    numbers = ['---', '---', *['---:'] * (len(head) - 2)]
    lines = [head, numbers, *body]
    return ''.join(f'| {" | ".join(map(_md, line))} |\n' for line in lines)


def as_latex(rows: Sequence[Row]) -> str:
    """The same as a ``tabular`` with the rules of the booktabs package."""
    head, *body = words(rows)
    lines = [r'\begin{tabular}{ll' + 'r' * (len(head) - 2) + '}', r'\toprule']
    lines += [_tex_line(head), r'\midrule', *map(_tex_line, body)]
    lines += [r'\bottomrule', r'\end{tabular}']
    return '\n'.join(lines) + '\n'


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    '.md': as_markdown,
    '.csv': as_csv,
    '.tex': as_latex,
}
_STARTS = {
    '.md': r'\| run \| layer \|.* ERF size \(px\) \|',
    '.csv': r'run,layer,.*\berf_size,',
    '.tex': r'\\begin\{tabular\}\{llr+\}\s+\\toprule\s+'
    r'run & layer &.* ERF size \(px\) &',
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
        if not path.exists():
            continue
        if path.is_file():
            with path.open(encoding='utf-8', errors='replace') as file:
                if re.match(start, file.read(100_000)):
                    continue
        raise ConfigError(
            f'{path} would be replaced and is no table of this command; '
            f'choose another {option}'
        )


def words(rows: Sequence[Row]) -> list[list[str]]:
    """The rows as people read them, the headings first."""
    found = (re.fullmatch(r'side_([\d.e-]+)', key) for key in rows[0])
    shares = [match[1] for match in found if match]
    middle = '0.5' if '0.5' in shares else ''.join(shares[:1])
    sides = [f'{float(share) * 100:g} % (px)' for share in shares]
    area = [f'area {float(middle) * 100:g} %'] if middle else []
    head = ['run', 'layer', *sides, *area, 'ERF size (px)', 'theory (px)']
    table = [[*head, 'images']]
    for row in rows:
        line = [
            row['run'],
            ': '.join(
                filter(None, (row['layer'], shortened(row['note'], 80)))
            ),
        ]
        for share in shares:
            error = row[f'side_{share}_stderr']
            side = _text(row[f'side_{share}'], '')
            line.append(side if error is None else f'{side} ± {error:.2g}')
        if middle:
            line.append(_text(row[f'area_ratio_{middle}'], '.3g', 100, ' %'))
        line.append(_text(row.get('erf_size'), '.1f'))
        line += [row.get('theory') or '-', _text(row.get('images'), '')]
        table.append(line)
    return table


def _text(value: Any, form: str, times: float = 1, unit: str = '') -> str:
    return '-' if value is None else format(value * times, form) + unit


def _md(cell: str) -> str:
    return cell.replace('|', r'\|').replace('\n', ' ')


def _tex_line(cells: Sequence[str]) -> str:
    escaped = (''.join(_TEX.get(c, c) for c in cell) for cell in cells)
    return ' & '.join(escaped) + r' \\'
