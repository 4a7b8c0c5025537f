"""How figures look, by context: nothing global is changed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.cbook import is_math_text
from matplotlib.mathtext import MathTextParser
from matplotlib.patheffects import withStroke

from ...core.errors import ConfigError

CMAP = 'inferno'
# Lines for the shares, told apart by dash as well as by colour
# (Okabe-Ito, light ones: they lie on a dark map).
SQUARES = (
    ('#ffffff', '-'),
    ('#56b4e9', '--'),
    ('#7fe0b5', '-.'),
    ('#f0e442', ':'),
)
# The theoretical field: longer dashes, no colour.
THEORY: dict[str, Any] = {
    'color': '#d9d9d9',
    'linestyle': (0, (6, 3)),
    'linewidth': 1.1,
}
UNIT: dict[str, Any] = {
    'marker': '+',
    'color': '#00e5ff',
    'markersize': 6,
    'markeredgewidth': 1.0,
}
OUTLINE = withStroke(linewidth=2.4, foreground='#00000070')
# A series of lines on white: Okabe-Ito, told apart by marker too.
SERIES = (
    ('#0072b2', 'o'),
    ('#d55e00', 's'),
    ('#009e73', '^'),
    ('#cc79a7', 'D'),
    ('#000000', 'v'),
    ('#e69f00', 'P'),
    ('#56b4e9', 'X'),
)
LEGEND: dict[str, Any] = {  # lines for dark maps need a dark ground
    'facecolor': '#3b3b45',
    'labelcolor': 'white',
    'edgecolor': 'none',
    'columnspacing': 1.0,
    'handlelength': 1.8,
}
COLUMN, PAGE = 3.4, 7.0  # width of a paper's column and page, inches
_RC = {
    'font.size': 8.0,
    'axes.titlesize': 8.5,
    'axes.labelsize': 8.0,
    'xtick.labelsize': 7.0,
    'ytick.labelsize': 7.0,
    'legend.fontsize': 7.0,
    'figure.facecolor': 'white',
    'savefig.facecolor': 'white',
    'pdf.fonttype': 42,
    'svg.fonttype': 'none',
    'svg.hashsalt': 'mmerf',
}


def style() -> AbstractContextManager:
    """The context in which a figure is made and written."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **_RC})


def check_cmap(name: str) -> str:
    """Raise ConfigError unless matplotlib has such a colour map."""
    if name not in matplotlib.colormaps:
        raise ConfigError(
            f'matplotlib has no colour map {name!r}; for example viridis, '
            'magma, inferno, cividis, gray'
        )
    return name


def check_title(title: str | None) -> str | None:
    """Raise ConfigError where a formula in a title cannot be drawn."""
    for line in (title or '').splitlines():
        try:
            if is_math_text(line):
                MathTextParser('path').parse(line)
        except ValueError as error:
            raise ConfigError(
                f'the title {title!r} is no formula that matplotlib can draw; '
                r'mend it, or write \$ for a dollar sign'
            ) from error
    return title


def literal(name: str) -> str:
    """A name as part of a title, where its dollars are no formula."""
    return name.replace('$', r'\$')
