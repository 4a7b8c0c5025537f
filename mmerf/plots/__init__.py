"""Figures of results; the only room that imports matplotlib.

A new plot is a module of its own beside ``map.py``: a function that takes
results and returns ``(figure, axes)``, exported below. If ``tools/erf.py``
should write it, it also gets an entry in ``table.py``. Marks, panels, text
and styles that figures share are in ``drawing``.

May import: ``core``, ``_lazy``.
"""

from typing import TYPE_CHECKING

from .._lazy import exported

if TYPE_CHECKING:
    from .before_after import plot_before_after
    from .by_class import plot_by_class
    from .comparison import plot_comparison
    from .context import plot_context
    from .drawing.normalization import NORMALIZATIONS, normalize
    from .drawing.render import save_figure, to_rgb
    from .exploring.explorer_figure import ExplorerFigure
    from .growth import plot_growth
    from .layers import plot_layers
    from .map import draw_map, plot_map
    from .profile import plot_profile
    from .ranking import plot_ranking
    from .tiles import plot_tiles

__all__ = [
    'NORMALIZATIONS',
    'ExplorerFigure',
    'draw_map',
    'normalize',
    'plot_before_after',
    'plot_by_class',
    'plot_comparison',
    'plot_context',
    'plot_growth',
    'plot_layers',
    'plot_map',
    'plot_profile',
    'plot_ranking',
    'plot_tiles',
    'save_figure',
    'to_rgb',
]
__getattr__, __dir__ = exported(
    __name__,
    {
        'ExplorerFigure': '.exploring.explorer_figure',
        'NORMALIZATIONS': '.drawing.normalization',
        'draw_map': '.map',
        'normalize': '.drawing.normalization',
        'plot_before_after': '.before_after',
        'plot_by_class': '.by_class',
        'plot_comparison': '.comparison',
        'plot_context': '.context',
        'plot_growth': '.growth',
        'plot_layers': '.layers',
        'plot_map': '.map',
        'plot_profile': '.profile',
        'plot_ranking': '.ranking',
        'plot_tiles': '.tiles',
        'save_figure': '.drawing.render',
        'to_rgb': '.drawing.render',
    },
)
