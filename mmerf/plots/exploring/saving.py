"""What a key press saves: the figure, and the maps that it shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.transforms import Bbox

from ...core.atomic_files import file_stem, write_whole
from ...core.results.erf_result import ERFResult
from ..drawing.style import style


def save_to_new_folder(
    wanted: str | os.PathLike,
    figure: Any,
    part: Bbox,
    suffix: str,
    results: Mapping[str, ERFResult],
) -> list[Path]:
    """Write a part of a figure, and an ``.npz`` per layer.

    Args:
        wanted: The folder; if there is one, ``_2`` and so on is added.
        figure: A matplotlib figure.
        part (Bbox): Which part of it, in inches.
        suffix (str): png, pdf or svg.
        results (mapping): By layer key.

    Returns:
        list[Path]: The files; the figure first.

    Raises:
        OSError: If they cannot be written.
    """
    wanted = folder = Path(wanted)
    number = 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f'{wanted.name}_{number}')
    with style():
        drawn = write_whole(
            folder / f'explore.{suffix}',
            lambda file: figure.savefig(
                file, format=suffix, dpi=150, bbox_inches=part
            ),
        )
    return [
        drawn,
        *(
            result.save(folder / f'{file_stem(key)}.npz')
            for key, result in results.items()
        ),
    ]
