"""Arrays and JSON in one ``.npz``; loading it executes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_files import write_whole
from ..errors import ResultError, one_line
from .plain_json import parse_json

FORMAT = 1
ARRAYS = ('map', 'stderr', 'coverage')


def write_npz(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], meta: dict
) -> Path:
    """Write arrays, and metadata as JSON text, into one ``.npz``.

    The file appears whole or not at all.

    Args:
        path: Where the file appears.
        arrays (mapping): By name.
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
    """Read the map, arrays and metadata of an ERF result.

    Raises:
        ResultError: If the file is missing, damaged or no ERF result.
    """
    advice = 'measure it again, or use ERFResult.from_map on the array'
    arrays, meta = read_parts(path, ARRAYS, 'ERF result', advice)
    check_map_array(arrays.get('map', np.zeros(0)), str(path))
    arrays['map'] = arrays['map'].astype(np.float64)
    for name, array in arrays.items():
        if array.shape != arrays['map'].shape:
            raise ResultError(
                f'{path}: {name} has shape {array.shape}, the map '
                f'{arrays["map"].shape}; the file is damaged'
            )
    return arrays, meta


def read_parts(
    path: str | os.PathLike,
    names: Iterable[str],
    what: str,
    advice: str = 'measure it again',
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays of some names, and metadata, that ``write_npz`` wrote.

    Args:
        path: The file.
        names (iterable of str): Of the arrays; those that it lacks are left
            out.
        what (str): What the file shall hold, for errors.
        advice (str): What would be right, for errors.

    Raises:
        ResultError: If the file is missing, damaged, or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names if name in file}
            meta = parse_json(str(file['meta'][()]))
    except FileNotFoundError as error:
        raise ResultError(f'there is no file {path}') from error
    except Exception as error:  # zip, compression, header, JSON
        raise ResultError(
            f'{path} is not a whole {what} ({one_line(error, 160)}); {advice}'
        ) from error
    if not isinstance(meta, dict) or meta.get('format') != FORMAT:
        raise ResultError(
            f'{path} holds no {what} of format {FORMAT}; measure it '
            'again with this version of mmerf'
        )
    for name, array in arrays.items():
        _check_plain_numbers(array, f'{path}: {name}')
    return arrays, meta


def _check_plain_numbers(array: np.ndarray, name: str) -> None:
    """Raise ResultError unless float64 holds an array's numbers."""
    if array.dtype.kind not in 'fiu' or array.dtype.itemsize > 8:
        raise ResultError(
            f'{name} holds {one_line(array.dtype, 40)}; numbers are float64, '
            'or narrower'
        )


def check_map_array(array: np.ndarray, name: str) -> None:
    """Raise ResultError unless an array is a finite (H, W) map, >= 0."""
    if array.ndim != 2 or array.size == 0 or array.dtype.kind != 'f':
        raise ResultError(
            f'{name} holds an array of shape {array.shape}, {array.dtype}; '
            'a map is a non-empty floating (H, W)'
        )
    _check_plain_numbers(array, name)
    if not np.isfinite(array).all() or (array < 0).any():
        raise ResultError(
            f'{name} holds a negative or non-finite value; a map is >= 0'
        )
