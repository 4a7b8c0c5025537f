"""Rows of a LaTeX table."""

from __future__ import annotations

from collections.abc import Sequence

_TEX = {
    **{c: f'\\{c}' for c in '&%$#_{}'},
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '±': r'$\pm$',
    '≥': r'$\geq$',
    '×': r'$\times$',
    '>': '$>$',
    '<': '$<$',
}


def tex_line(cells: Sequence[str]) -> str:
    r"""Cells as a row of a ``tabular``; what LaTeX would read is escaped.

    Example:
        >>> print(tex_line(['a_b', '5 %']))
        a\_b & 5 \% \\
    """
    escaped = (''.join(_TEX.get(c, c) for c in cell) for cell in cells)
    line = ' & '.join(escaped) + r' \\'
    if line.startswith(('[', '*')):  # else an argument of the line before
        line = '{}' + line
    return line
