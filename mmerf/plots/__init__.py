"""Figures of results; the only room that imports matplotlib.

A new plot is a module of its own beside ``map.py``: a function that takes
results and returns ``(figure, axes)``, exported below. If ``tools/erf.py``
should write it, it also gets an entry in ``table.py``. Marks, panels, text
and styles that figures share are in ``drawing``.

May import: ``core``.
"""

from .comparison import plot_comparison
from .context import plot_context
from .drawing.normalization import NORMALIZATIONS, normalize
from .drawing.render import save_figure, to_rgb
from .growth import plot_growth
from .layers import plot_layers
from .map import draw_map, plot_map
from .profile import plot_profile
from .ranking import plot_ranking

__all__ = [
    'NORMALIZATIONS',
    'draw_map',
    'normalize',
    'plot_comparison',
    'plot_context',
    'plot_growth',
    'plot_layers',
    'plot_map',
    'plot_profile',
    'plot_ranking',
    'save_figure',
    'to_rgb',
]
