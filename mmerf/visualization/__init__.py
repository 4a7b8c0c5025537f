"""MMEngine's vis backend that saves raw maps, figures and statistics.

May import: ``core``, ``plots``.
"""

from .erf_vis_backend import ERFVisBackend

__all__ = ['ERFVisBackend']
