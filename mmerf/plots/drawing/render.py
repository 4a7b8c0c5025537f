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
    """Render a figure to pixels.

    Args:
        fig (Figure): Any matplotlib figure.

    Returns:
        np.ndarray: Shape (H, W, 3), uint8, RGB.
    """
    with style():
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_figure(fig: Figure, path: str | os.PathLike) -> Path:
    """Write a figure to a file; a failure leaves no half-written file.

    Args:
        fig (Figure): Any matplotlib figure.
        path (str or os.PathLike): The suffix sets the format: png, pdf, svg.

    Returns:
        Path: The file written.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If matplotlib cannot write that format.
    """
    path = Path(path)
    kind = path.suffix.lstrip('.')
    with style():
        return write_whole(
            path, lambda file: fig.savefig(file, format=kind, dpi=150)
        )
