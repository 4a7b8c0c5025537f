"""How figures look, by context: nothing global is changed."""

from __future__ import annotations

from contextlib import AbstractContextManager

import matplotlib

from ..core.errors import ConfigError

CMAP = 'inferno'
# Lines for the shares, told apart by dash as well as by colour
# (Okabe-Ito, light ones: they lie on a dark map).
SQUARES = (
    ('#ffffff', '-'),
    ('#56b4e9', '--'),
    ('#7fe0b5', '-.'),
    ('#f0e442', ':'),
)
_RC = {
    'font.size': 9.0,
    'axes.titlesize': 10.0,
    'axes.labelsize': 9.0,
    'xtick.labelsize': 8.0,
    'ytick.labelsize': 8.0,
    'legend.fontsize': 8.5,
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
