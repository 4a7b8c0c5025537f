"""Figures: ERFResult... -> (fig, ax). The only place with matplotlib.

May import: ``core``.
"""

from .comparison import plot_comparison
from .drawing.normalization import NORMALIZATIONS, normalize
from .drawing.render import save_figure, to_rgb
from .growth import plot_growth
from .layers import plot_layers
from .map import draw_map, plot_map
from .profile import plot_profile

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
