"""What tiles change: counts of each image, and what follows from them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError, one_line
from ..results.npz import read_parts, write_npz
from ..results.over_images import mean_and_stderr
from .disagreement import mean_iou
from .grid import Tiling
from .recommend import MOST_WORSE, Recommendation, crop_and_field, recommend

_COUNTED = ('differs', 'pixels', 'matrices', 'seconds', 'peak_bytes')


@dataclass(frozen=True, eq=False)
class TilingResult:
    """How predictions from tiles differ from those of whole images.

    Attributes:
        tilings (tuple[Tiling, ...]): Windows and strides.
        edges (tuple[int, ...]): Of the bins of distances to the nearest
            border, px.
        differs, pixels (np.ndarray): Shape (images, tilings, bins): pixels
            whose class differs, and all pixels; all 0 where a tiling does
            not cut an image.
        matrices (np.ndarray): Shape (1 + tilings, classes, classes): pixels
            by label and predicted class, of the whole images and of each
            tiling; shape (0, 0, 0) without labels.
        seconds (np.ndarray): Shape (images, 1 + tilings): time of each
            prediction; NaN where a tiling does not cut an image.
        peak_bytes (np.ndarray): Likewise, the most that tensors take at
            once; see :class:`mmerf.core.running.peak_memory.PeakMemory`.
        images (tuple[str, ...]): Names of the images.
        sizes (tuple): (H, W) of each, px.
        layer (str): Whose ERF the field is; empty without.
        sides (dict): By share, ``'0.5'`` and ``'0.99'``: side of the ERF's
            square, px; empty without an ERF.
        bounds (tuple[str, ...]): Shares of which the square reaches an
            image's edge, so that the side is only a lower bound.
        crop_size (tuple[int, int], optional): (H, W) of training crops.
        definition (dict): Descriptions of class, distance, logits, average.
        provenance (dict): Versions, config, checkpoint, seed.
    """

    tilings: tuple[Tiling, ...]
    edges: tuple[int, ...]
    differs: np.ndarray = field(repr=False)
    pixels: np.ndarray = field(repr=False)
    matrices: np.ndarray = field(repr=False)
    seconds: np.ndarray = field(repr=False)
    peak_bytes: np.ndarray = field(repr=False)
    images: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    layer: str = ''
    sides: dict = field(default_factory=dict)
    bounds: tuple[str, ...] = ()
    crop_size: tuple[int, int] | None = None
    definition: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)

    @property
    def field_side(self) -> float | None:
        """Side of the square that holds 99 % of the ERF, px, if known."""
        return self.sides.get('0.99')

    @property
    def field_is_bound(self) -> bool:
        """Whether that side is only a lower bound."""
        return '0.99' in self.bounds

    def disagreement(self) -> tuple[np.ndarray, np.ndarray]:
        """Share of pixels that differ, and standard error, by tiling."""
        return mean_and_stderr(
            _share(self.differs.sum(axis=2), self.pixels.sum(axis=2))
        )

    def by_distance(self) -> tuple[np.ndarray, np.ndarray]:
        """The same by distance: shapes (tilings, bins)."""
        return mean_and_stderr(_share(self.differs, self.pixels))

    def miou(self) -> list[float] | None:
        """Of whole images, then of each tiling; None without labels."""
        if not self.matrices.size:
            return None
        return [mean_iou(matrix) for matrix in self.matrices]

    def seconds_per_megapixel(self) -> list[float]:
        """Median over images; of whole images, then of each tiling."""
        return self._per_megapixel(self.seconds)

    def megabytes_per_megapixel(self) -> list[float]:
        """Likewise, the most megabytes (1e6) at once."""
        return self._per_megapixel(self.peak_bytes / 1e6)

    def _per_megapixel(self, values: np.ndarray) -> list[float]:
        areas = np.array([h * w / 1e6 for h, w in self.sizes])
        rates = values / areas[:, None]
        return [
            float(np.median(one[np.isfinite(one)]))
            if np.isfinite(one).any()
            else float('nan')
            for one in rates.T
        ]

    def recommendation(self, within: float = MOST_WORSE) -> Recommendation:
        """See :func:`mmerf.core.tiling.recommend.recommend`."""
        shares = self.disagreement()[0]
        known = np.isfinite(shares)
        return recommend(
            [t for t, k in zip(self.tilings, known, strict=True) if k],
            shares[known].tolist(),
            within,
            self.field_side,
            self.field_is_bound,
        )

    def crop_and_field(self) -> str | None:
        """See :func:`mmerf.core.tiling.recommend.crop_and_field`."""
        return crop_and_field(
            self.crop_size, self.field_side, self.field_is_bound
        )

    def record(self, within: float = MOST_WORSE) -> dict:
        """All numbers as JSON; NaN is None."""
        mean, error = self.disagreement()
        near, near_error = self.by_distance()
        miou, seconds = self.miou(), self.seconds_per_megapixel()
        megabytes = self.megabytes_per_megapixel()
        bins = list(zip(self.edges, self.edges[1:], strict=False))
        rows = [
            {
                **asdict(tiling),
                'differ': mean[i],
                'stderr': error[i],
                'by_distance': [
                    {
                        'from': low,
                        'to': high,
                        'differ': near[i, j],
                        'stderr': near_error[i, j],
                    }
                    for j, (low, high) in enumerate(bins)
                ],
                'miou': None if miou is None else miou[i + 1],
                'seconds_per_megapixel': seconds[i + 1],
                'megabytes_per_megapixel': megabytes[i + 1],
            }
            for i, tiling in enumerate(self.tilings)
        ]
        found = self.recommendation(within)
        record = {
            **self._described(),
            'whole': {
                'miou': None if miou is None else miou[0],
                'seconds_per_megapixel': seconds[0],
                'megabytes_per_megapixel': megabytes[0],
            },
            'tilings': rows,
            'recommended': {**asdict(found), 'within': within},
            'crop': self.crop_and_field(),
        }
        return _without_nan(record)

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz``: all arrays, and ``meta`` (JSON text)."""
        arrays = {name: getattr(self, name) for name in _COUNTED}
        return write_npz(path, arrays, {'kind': 'tiles', **self._described()})

    @classmethod
    def load(cls, path: str | os.PathLike) -> TilingResult:
        """Load what ``save`` wrote; no code is run.

        Raises:
            ResultError: If the file is missing, damaged or no such result.
        """
        what = 'result of tools/tiles.py'
        arrays, meta = read_parts(path, _COUNTED, what)
        try:
            if meta['kind'] != 'tiles':
                raise ValueError(f'it is a result of {meta["kind"]!r:.40}')
            values: dict[str, Any] = {
                item.name: meta[item.name]
                for item in fields(cls)
                if item.name not in _COUNTED
            }
            values['tilings'] = tuple(Tiling(**t) for t in meta['tilings'])
            values['sizes'] = tuple((h, w) for h, w in meta['sizes'])
            for name in ('edges', 'images', 'bounds', 'crop_size'):
                given = values[name]
                values[name] = None if given is None else tuple(given)
            result = cls(**{**values, **arrays})
            _check_whole(result)
        except Exception as error:  # whatever the file holds
            raise ResultError(
                f'{path} is no whole {what} ({one_line(error, 160)}); '
                'measure it again'
            ) from error
        return result

    def _described(self) -> dict:
        meta = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in _COUNTED
        }
        meta['tilings'] = [asdict(tiling) for tiling in self.tilings]
        return json.loads(json.dumps(meta))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Their quotient; NaN where there is nothing."""
    with np.errstate(invalid='ignore'):
        return part / np.where(whole > 0, whole, np.nan)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, float):
        return None if value != value else float(value)
    return value


def _check_whole(result: TilingResult) -> None:
    """Raise if later use of a loaded result would fail."""
    images, tilings = len(result.images), len(result.tilings)
    shape = (images, tilings, len(result.edges) - 1)
    classes = result.matrices.shape[-1]
    of_matrices = (1 + tilings if classes else 0, classes, classes)
    for name, expected in (
        ('differs', shape),
        ('pixels', shape),
        ('seconds', (images, 1 + tilings)),
        ('peak_bytes', (images, 1 + tilings)),
        ('matrices', of_matrices),
    ):
        found = getattr(result, name)
        if found.shape != expected or found.dtype.kind not in 'fiu':
            raise ValueError(f'{name} has shape {found.shape}')
    if not images or not tilings or len(result.sizes) != images:
        raise ValueError('it has no image, or no tiling')
    for name in ('sides', 'definition', 'provenance'):
        if not isinstance(getattr(result, name), Mapping):
            raise TypeError(f'{name} is no mapping')
