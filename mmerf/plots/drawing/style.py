"""Fonts, colours and lines of figures; rcParams are not changed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib
from matplotlib.cbook import is_math_text
from matplotlib.colors import ListedColormap
from matplotlib.mathtext import MathTextParser
from matplotlib.patheffects import withStroke

from ...core.errors import ConfigError, printable, shortened

# The two squares differ by dash as well as by colour (light ones of
# Okabe-Ito: they lie on a dark map).
SQUARE_LINES = (('#7fe0b5', '-'), ('#f0e442', ':'))
# Of further squares, where those of all shares are drawn.
CONTOUR_LINES = (('#ffffff', '-'), ('#56b4e9', '--'), ('#e69f00', '-.'))
# The theoretical field: grey, with longer dashes.
THEORY_STYLE: dict[str, Any] = {
    'color': '#d9d9d9',
    'linestyle': (0, (6, 3)),
    'linewidth': 1.1,
}
UNIT_STYLE: dict[str, Any] = {
    'marker': '+',
    'color': '#00e5ff',
    'markersize': 4,
    'markeredgewidth': 0.9,
}
OUTLINE = withStroke(linewidth=2.0, foreground='#00000070')
LIGHT_OUTLINE = withStroke(linewidth=3.2, foreground='#ffffffc0')
# Lines on white differ by marker as well as by colour (Okabe-Ito); black,
# which is not seen on a dark map, is the last.
SERIES_STYLES = (
    ('#0072b2', 'o'),
    ('#d55e00', 's'),
    ('#009e73', '^'),
    ('#cc79a7', 'D'),
    ('#e69f00', 'v'),
    ('#56b4e9', 'P'),
    ('#000000', 'X'),
)
_DASHES = ('-', ':', '--')  # the next one when SERIES_STYLES repeats
LEGEND_STYLE: dict[str, Any] = {  # dark, for lines that are drawn on dark maps
    'facecolor': '#3b3b45',
    'labelcolor': 'white',
    'edgecolor': 'none',
    'columnspacing': 1.0,
    'handlelength': 1.8,
}
COLUMN_WIDTH, PAGE_WIDTH = 3.4, 7.0  # of a paper, inches
_LONGEST_DRAWN = 400  # characters of a name
_RC_PARAMS: dict[Any, Any] = {
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


class LayerStyle(NamedTuple):
    """How a layer is drawn in every figure: its colour, marker and dash."""

    color: str
    marker: str
    dash: str


def layer_styles(layers: Iterable[str]) -> dict[str, LayerStyle]:
    """The look of each layer, by its place among all layers of a run.

    Args:
        layers (iterable of str): Keys in the order measured, all of them:
            a figure that shows only some still has their colours.

    Example:
        >>> layer_styles(['backbone[0]', 'decode_head'])['decode_head'].color
        '#d55e00'
    """
    found = {}
    for number, layer in enumerate(dict.fromkeys(layers)):
        cycle, place = divmod(number, len(SERIES_STYLES))
        dash = _DASHES[cycle % len(_DASHES)]
        found[layer] = LayerStyle(*SERIES_STYLES[place], dash)
    return found


def style() -> AbstractContextManager:
    """Context with mmerf's rcParams, to draw and write a figure in."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **_RC_PARAMS})


# As the RepLKNet paper draws its maps: seaborn's heatmap(cmap='RdYlGn',
# center=0) takes the half from the middle on, since no value is below zero.
_HALF = matplotlib.colormaps['RdYlGn'](range(128, 256))
matplotlib.colormaps.register(ListedColormap(_HALF, 'replknet'), force=True)


def check_cmap(name: str) -> str:
    """Return the name; raise ConfigError if no colour map has it."""
    if name not in matplotlib.colormaps:
        raise ConfigError(
            f'matplotlib has no colour map {name!r}; it has viridis, magma, '
            'inferno, cividis, gray and others'
        )
    return name


def check_title(title: str | None) -> str | None:
    """Return the title; raise ConfigError if it cannot be drawn."""
    for line in (title or '').splitlines():
        if not line.isprintable():
            raise ConfigError(
                f'the title {title!r} holds a character that cannot be drawn'
            )
        try:
            if is_math_text(line):
                MathTextParser('path').parse(line)
        except ValueError as error:
            raise ConfigError(
                f'matplotlib cannot draw the title {title!r}: the part '
                'between dollar signs is no formula; correct it, or write '
                r'\$ for a dollar sign'
            ) from error
    return title


def literal(name: str) -> str:
    """Escape a name's dollar signs, so that a title has no formula there."""
    return drawable(name).replace('$', r'\$')


def drawable(name: str) -> str:
    """A name of which every character can be drawn, cut if it is very long."""
    return printable(shortened(name, _LONGEST_DRAWN))
