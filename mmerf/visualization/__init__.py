"""The vis backend that keeps results whole.

May import: ``core``, ``plots``.
"""

from .erf_vis_backend import ERFVisBackend

__all__ = ['ERFVisBackend']
