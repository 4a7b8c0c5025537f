"""MMEngine's side: the hook, and how a segmentor is run."""

from .hooks import ERFHook

__all__ = ['ERFHook']
