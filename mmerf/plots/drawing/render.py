"""A finished figure as pixels or as a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...core.atomic_files import write_whole
from .style import style


def to_rgb(fig: Figure) -> np.ndarray:
    """A figure's pixels.

    Returns:
        np.ndarray: Shape (H, W, 3), uint8, RGB.
    """
    with style():
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_figure(fig: Figure, path: str | os.PathLike) -> Path:
    """Write a figure whole; the suffix says the format (png, pdf, svg)."""
    path = Path(path)
    kind = path.suffix.lstrip('.')
    with style():
        return write_whole(
            path, lambda file: fig.savefig(file, format=kind, dpi=150)
        )
