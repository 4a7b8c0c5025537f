"""Figures one after the other, as a GIF or a film."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib import animation

from ..core.atomic_files import write_whole
from ..core.errors import ConfigError
from .drawing.figure import Figure
from .drawing.render import to_rgb

_ANIMATED = ('.gif', '.mp4')
_FRAMES_PER_SECOND = 1
_LAST = 3  # how many frames long the last one stays


def check_animation(path: str | os.PathLike) -> Path:
    """Return the path of an animation that can be written.

    Raises:
        ConfigError: If it does not end in .gif or .mp4, or an .mp4 is asked
            for where the program ffmpeg is not found.
    """
    path = Path(path)
    if path.suffix not in _ANIMATED:
        raise ConfigError(
            f'{path} is no name for an animation; let it end in .gif or .mp4'
        )
    if path.suffix == '.mp4' and not animation.writers.is_available('ffmpeg'):
        raise ConfigError(
            f'{path} needs the program ffmpeg, which is not found; install '
            'it, or let the name end in .gif'
        )
    return path


def save_animation(figures: Iterable[Figure], path: str | os.PathLike) -> Path:
    """Write figures as the frames of an animation, which repeats as a GIF.

    Args:
        figures (iterable of Figure): At least one; a smaller one is padded
            with white below and to the right.
        path: Ends in ``.gif`` or ``.mp4``.

    Returns:
        Path: The file; it appears whole or not at all.

    Raises:
        ConfigError: As :func:`check_animation` does.
    """
    path = check_animation(path)
    frames = [to_rgb(figure) for figure in figures]
    frames += frames[-1:] * (_LAST - 1)
    height, width = (max(frame.shape[i] for frame in frames) for i in (0, 1))
    sheet = Figure(figsize=(width / 100, height / 100), dpi=100)
    shown = sheet.figimage(np.full((height, width, 3), 255, np.uint8))
    kind = 'pillow' if path.suffix == '.gif' else 'ffmpeg'
    writer = animation.writers[kind](fps=_FRAMES_PER_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / f'animation{path.suffix}'
        with writer.saving(sheet, str(aside), 100):
            for frame in frames:
                page = np.full((height, width, 3), 255, np.uint8)
                page[: frame.shape[0], : frame.shape[1]] = frame
                shown.set_data(page)
                writer.grab_frame()
        content = aside.read_bytes()
    return write_whole(path, lambda file: file.write(content))
