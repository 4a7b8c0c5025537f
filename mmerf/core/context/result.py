"""Context curves: how much a unit changes with the square that it sees."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError, one_line
from ..results.erf_result import ERFResult
from ..results.npz import read_parts, write_npz
from ..results.over_images import mean_and_stderr
from .squares import check_sides

THRESHOLDS = (0.01, 0.05, 0.1)  # shares of units that flip
CURVES = ('keep_change', 'keep_flips', 'replace_change', 'replace_flips')
_ROUNDING = 1e-9  # of a mean of shares: 9 of 180 units are 5 %
_ARRAYS = (*CURVES, 'mass')


def side_from_which(
    sides: Sequence[int], shares: Sequence[float], threshold: float
) -> int | None:
    """Smallest side from which on all shares are at most a threshold.

    Args:
        sides (sequence of int): Rising.
        shares (sequence of float): At each side.
        threshold (float): In [0, 1].

    Returns:
        int, optional: None if the share at the largest side is above it.

    Example:
        >>> side_from_which([3, 5, 7, 9], [0.0, 0.2, 0.05, 0.01], 0.05)
        7
    """
    found = None
    for side, share in zip(reversed(sides), reversed(shares), strict=True):
        if share > threshold + _ROUNDING:
            break
        found = side
    return found


@dataclass(frozen=True, eq=False)
class ContextResult:
    """How units of one layer change as squares are kept or replaced.

    The four curves have shape (images, sides), float64: for each image the
    mean over its units. ``keep``: only the square of that side about the
    unit's pixel is kept; ``replace``: only the square is replaced.
    ``change``: absolute change of the score, in standard deviations of its
    channel; ``flips``: the share of units whose class is another one.

    Attributes:
        layer (str): The layer's key.
        sides (tuple[int, ...]): Of the squares, px, odd, rising.
        keep_change, keep_flips, replace_change, replace_flips (np.ndarray):
            See above.
        mass (np.ndarray): Share of the ERF of the same units in squares of
            side 1, 3, 5, ... px about the unit; empty without a map.
        erf_sides (dict): By share, ``'0.5'`` and ``'0.99'``: the ERF's
            ``side``, its ``stderr`` and ``reaches_edge``; None for a map of
            zeros.
        images (tuple[str, ...]): Names of the images.
        units (tuple[int, ...]): Units of each image.
        absent_images (int): Images without the class that was looked at.
        spread (tuple[float, ...]): Of each channel of the layer, in units of
            its output: a change of 1 is so much.
        pixel_known (bool): Whether units' pixels were read from the model's
            operations; False where an even grid was assumed.
        definition (dict): Descriptions of score, class, change and fill.
        provenance (dict): Versions, config, checkpoint, sizes, seed.
        erf (ERFResult, optional): The map itself; it has its own file.
    """

    layer: str
    sides: tuple[int, ...]
    keep_change: np.ndarray = field(repr=False)
    keep_flips: np.ndarray = field(repr=False)
    replace_change: np.ndarray = field(repr=False)
    replace_flips: np.ndarray = field(repr=False)
    mass: np.ndarray = field(repr=False)
    erf_sides: dict | None = None
    images: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    absent_images: int = 0
    spread: tuple[float, ...] = ()
    pixel_known: bool = True
    definition: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    erf: ERFResult | None = field(default=None, repr=False)

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean over images of a curve, and its standard error, by side.

        Args:
            name (str): One of ``keep_change``, ``keep_flips``,
                ``replace_change``, ``replace_flips``.
        """
        return mean_and_stderr(getattr(self, name))

    def flip_sides(
        self, thresholds: Sequence[float] = THRESHOLDS
    ) -> dict[float, int | None]:
        """Smallest side to keep, so that few units flip.

        Args:
            thresholds (sequence of float): Shares of units.

        Returns:
            dict: By threshold, the smallest side from which on at most that
            share of units has another class; None if there is none.
        """
        shares = self.curve('keep_flips')[0].tolist()
        return {t: side_from_which(self.sides, shares, t) for t in thresholds}

    def record(self) -> dict:
        """The curves' means and standard errors, and all else, as JSON."""
        record = self._meta()
        for name in CURVES:
            mean, error = self.curve(name)
            record[name] = [
                {'side': side, 'mean': m, 'stderr': None if e != e else e}
                for side, m, e in zip(
                    self.sides, mean.tolist(), error.tolist(), strict=True
                )
            ]
        record['flip_sides'] = {
            str(t): s for t, s in self.flip_sides().items()
        }
        return record

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz``: all arrays, and ``meta`` (JSON text)."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return write_npz(path, arrays, {'kind': 'context', **self._meta()})

    @classmethod
    def load(cls, path: str | os.PathLike) -> ContextResult:
        """Load what ``save`` wrote, without the ERF; no code is run.

        Raises:
            ResultError: If the file is missing, damaged or no such result.
        """
        arrays, meta = read_parts(path, _ARRAYS, 'result of context curves')
        names = {item.name for item in fields(cls)} - {*_ARRAYS, 'erf'}
        try:
            values: dict[str, Any] = {k: meta[k] for k in names}
            for name in ('sides', 'images', 'units', 'spread'):
                values[name] = tuple(values[name])
            result = cls(**{**values, **arrays})
            _check_loaded(result)
        except Exception as error:
            raise ResultError(
                f'{path} holds no whole context curves '
                f'({one_line(error, 160)}); measure them again'
            ) from error
        return result

    def _meta(self) -> dict:
        meta: dict[str, Any] = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in {*_ARRAYS, 'erf'}
        }
        return json.loads(json.dumps(meta))


def _check_loaded(result: ContextResult) -> None:
    """Raise if later use of a loaded result would fail."""
    if check_sides(result.sides) != result.sides:
        raise ValueError(f'sides are {result.sides!r:.40}')
    shape = (len(result.images), len(result.sides))
    for name in CURVES:
        array = getattr(result, name)
        if array.shape != shape or not array.size:
            raise ValueError(f'{name} has shape {array.shape}, not {shape}')
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f'{name} is not finite float64')
    if result.mass.ndim != 1 or not np.isfinite(result.mass).all():
        raise ValueError('mass is no finite curve')
    if len(result.units) != len(result.images):
        raise ValueError(f'units are {result.units!r:.40}')
    for name in ('definition', 'provenance'):
        if not isinstance(getattr(result, name), Mapping):
            raise TypeError(f'{name} is no mapping')
    for name in ('layer', *result.images):
        if not isinstance(name, str):
            raise TypeError(f'{name!r:.40} is no name')
    for entry in (result.erf_sides or {}).values():
        if not isinstance(entry['side'], int):
            raise TypeError(f'erf_sides holds {entry!r:.40}')
        if not isinstance(entry['stderr'], (int, float, type(None))):
            raise TypeError(f'erf_sides holds {entry!r:.40}')
