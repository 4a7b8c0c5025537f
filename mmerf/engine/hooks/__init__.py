"""The hook of MMEngine's runner, and what only the hook needs.

It decides when to measure and what a failure does; measuring and logging are
in the modules above. May import everything in ``engine`` but ``segmentors``.
"""

from .erf_hook import ERFHook

__all__ = ['ERFHook']
