"""Figures: ERFResult... -> (fig, ax). The only place with matplotlib."""

from .comparison import plot_comparison
from .growth import plot_growth
from .layers import plot_layers
from .map import draw_map, plot_map
from .normalization import NORMALIZATIONS, normalize
from .profile import plot_profile
from .render import save_figure, to_rgb

__all__ = [
    'NORMALIZATIONS',
    'draw_map',
    'normalize',
    'plot_comparison',
    'plot_growth',
    'plot_layers',
    'plot_map',
    'plot_profile',
    'save_figure',
    'to_rgb',
]
