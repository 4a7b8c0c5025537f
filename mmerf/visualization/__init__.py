"""Vis backends."""

from .erf_vis_backend import ERFVisBackend

__all__ = ['ERFVisBackend']
