"""Arrays and JSON in one ``.npz``; loading it executes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_files import write_whole
from ..errors import ResultError, one_line

FORMAT = 1
ARRAYS = ('map', 'stderr', 'coverage')


def write_npz(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], meta: dict
) -> Path:
    """Write arrays, and metadata as JSON text, into one ``.npz``.

    The file appears whole or not at all.

    Args:
        path: Where the file appears.
        arrays (mapping): By name, of ``ARRAYS``.
        meta (dict): Plain JSON.

    Returns:
        Path: The file.
    """
    parts: dict[str, Any] = dict(arrays)
    parts['meta'] = np.array(json.dumps({'format': FORMAT, **meta}))
    return write_whole(
        path,
        lambda file: np.savez_compressed(file, **parts),
    )


def read_npz(
    path: str | os.PathLike,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and metadata that ``write_npz`` wrote.

    Raises:
        ResultError: If the file is missing, damaged or no ERF result.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS if name in file}
            meta = json.loads(str(file['meta'][()]))
    except FileNotFoundError as error:
        raise ResultError(f'there is no file {path}') from error
    except Exception as error:  # zip, compression, header, JSON
        raise ResultError(
            f'{path} is not a whole ERF result ({one_line(error, 160)}); '
            'measure it again, or use ERFResult.from_map on the array'
        ) from error
    if not isinstance(meta, dict) or meta.get('format') != FORMAT:
        raise ResultError(
            f'{path} holds no ERF result of format {FORMAT}; measure it '
            'again with this version of mmerf'
        )
    check_map_array(arrays.get('map', np.zeros(0)), str(path))
    for name, array in arrays.items():
        if array.shape != arrays['map'].shape:
            raise ResultError(
                f'{path}: {name} has shape {array.shape}, the map '
                f'{arrays["map"].shape}; the file is damaged'
            )
    return arrays, meta


def check_map_array(array: np.ndarray, name: str) -> None:
    """Raise ResultError unless an array is a finite (H, W) map, >= 0."""
    if array.ndim != 2 or array.size == 0 or array.dtype.kind != 'f':
        raise ResultError(
            f'{name} holds an array of shape {array.shape}, {array.dtype}; '
            'a map is a non-empty floating (H, W)'
        )
    if not np.isfinite(array).all() or (array < 0).any():
        raise ResultError(
            f'{name} holds a negative or non-finite value; a map is >= 0'
        )
