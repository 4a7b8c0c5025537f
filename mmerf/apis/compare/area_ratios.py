"""The table of area ratios that papers print, in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.errors import printable
from .latex import tex_line

_DEFINITIONS = (  # prefix of the keys in a row; comment; heading
    (
        '',
        'the smallest square about the unit that holds at least the share t '
        'of the raw map',
        'about the unit, raw map',
    ),
    (
        'replknet_',
        "the rule of RepLKNet's published numbers, with log10(x + 1) and "
        "about the image's middle",
        r'RepLKNet, $\log_{10}(x + 1)$',
    ),
)


def as_area_ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    """Area ratios by share as two ``tabular`` with booktabs' rules.

    One line per run, or per run and layer where there are several layers; one
    column per share t; the ratio r in per cent, to three digits. The first
    table has the squares that figures draw (``centred_square``), the second
    the rule of published tables (``replknet``): numbers of one table are
    comparable, those of both are not.

    Args:
        rows (sequence of mapping): As ``table_rows`` makes them.

    Returns:
        str: LaTeX, both tables in comments that say what they are.

    Source: the form is that of Ding et al. 2022, arXiv:2203.06717, table of
    high-contribution area ratios.
    """
    found = (re.fullmatch(r'area_ratio_([\d.e-]+)', key) for key in rows[0])
    shares = [match[1] for match in found if match]
    layers = len({row['layer'] for row in rows if row['layer']}) > 1
    tables = [
        _table(rows, shares, layers, *definition)
        for definition in _DEFINITIONS
    ]
    return '\n'.join(tables)


def _table(
    rows: Sequence[Mapping[str, Any]],
    shares: Sequence[str],
    layers: bool,
    prefix: str,
    comment: str,
    heading: str,
) -> str:
    names = ['model', 'layer'] if layers else ['model']
    columns = len(names) + len(shares)
    lines = [
        f'% Area ratios r of squares, in %: {comment}.',
        rf'\begin{{tabular}}{{{"l" * len(names)}{"r" * len(shares)}}}',
        r'\toprule',
    ]
    if shares:
        lines += [
            f'{"& " * len(names)}\\multicolumn{{{len(shares)}}}{{c}}'
            f'{{area ratio $r$ (\\%): {heading}}} \\\\',
            rf'\cmidrule{{{len(names) + 1}-{columns}}}',
        ]
    head = [rf'$t = {float(share) * 100:g}\,\%$' for share in shares]
    lines += [' & '.join([*names, *head]) + r' \\', r'\midrule']
    for row in rows:
        cells = [printable(row['run'])]
        if layers:
            cells.append(printable(row['layer']))
        cells += [
            _three_digits(row.get(f'{prefix}area_ratio_{share}'))
            for share in shares
        ]
        lines.append(tex_line(cells))
    return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', ''])


def _three_digits(ratio: float | None) -> str:
    if ratio is None:
        return '-'
    return np.format_float_positional(
        100 * ratio, precision=3, unique=False, fractional=False, trim='k'
    ).rstrip('.')
