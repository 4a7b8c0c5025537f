"""ERFResult: a measured map with its unit, counts and provenance."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from .accumulate import nearest_pixel
from .errors import ResultError, StatisticError
from .files import write_whole
from .statistics import SHARES, all_statistics

FORMAT = 1
_ARRAYS = ('map', 'stderr', 'coverage')


@dataclass(frozen=True, eq=False)
class ERFResult:
    """The effective receptive field of one layer's target.

    Attributes:
        map (np.ndarray): Mean contribution of every input pixel, (H, W),
            float64, >= 0: raw and linear.
        layer (str): The layer's key, such as ``'backbone[3]'``.
        unit_pixel (tuple[float, float]): Where the unit sits in the map, in
            input pixels (y, x).
        unit (tuple[int, int], optional): The unit (y, x) of the layer's
            grid; None where images of different size had different ones.
        grid (tuple[int, int], optional): The layer's (h, w), likewise.
        stride (tuple[float, float], optional): Input pixels from one unit to
            the next, down and across.
        pixel_known (bool): Whether the unit's pixel was read from the
            model's own operations; False where an even grid was assumed.
        num_images (int): Images in the mean.
        zero_score_images (int): Of those, images whose score was zero.
        excluded (tuple[str, ...]): Images left out as not finite.
        sizes (tuple[tuple[int, int, int], ...]): (H, W, how many images).
        stderr (np.ndarray, optional): Standard error of the map, (H, W);
            NaN for fewer than two images.
        coverage (np.ndarray, optional): Images whose frame reaches a pixel,
            (H, W), where images differ in size.
        definition (dict): What was scored and attributed, in words.
        shares (tuple[float, ...]): Shares that ``statistics`` reports.
        provenance (dict): Versions, config, checkpoint, device and so on.
    """

    map: np.ndarray = field(repr=False)
    layer: str = 'map'
    unit_pixel: tuple[float, float] = (0.0, 0.0)
    unit: tuple[int, int] | None = None
    grid: tuple[int, int] | None = None
    stride: tuple[float, float] | None = None
    pixel_known: bool = True
    num_images: int = 1
    zero_score_images: int = 0
    excluded: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int, int], ...] = ()
    stderr: np.ndarray | None = field(default=None, repr=False)
    coverage: np.ndarray | None = field(default=None, repr=False)
    definition: dict = field(default_factory=dict)
    shares: tuple[float, ...] = SHARES
    provenance: dict = field(default_factory=dict)

    @classmethod
    def from_map(
        cls,
        array_hw: Any,
        center_yx: tuple[float, float] | None = None,
        layer: str = 'map',
        shares: Sequence[float] = SHARES,
    ) -> ERFResult:
        """Anybody's map, for the same statistics and figures.

        Args:
            array_hw (array-like): Raw map, shape (H, W), >= 0.
            center_yx (tuple[float, float], optional): The unit's pixel; None
                for (H // 2, W // 2).
            layer (str): What to call it.
            shares (sequence of float): Shares that statistics report.

        Returns:
            ERFResult: With the map as float64.

        Raises:
            ResultError: If the array is not a finite, non-negative (H, W).

        Example:
            >>> result = ERFResult.from_map(np.ones((5, 5)))
            >>> result.statistics()['centred_square']['0.5']['side']
            5
        """
        array = np.array(array_hw, dtype=np.float64)
        _check_map(array, 'the map')
        if center_yx is None:
            center_yx = (array.shape[0] // 2, array.shape[1] // 2)
        return cls(
            map=array,
            layer=layer,
            unit_pixel=(float(center_yx[0]), float(center_yx[1])),
            sizes=((array.shape[0], array.shape[1], 1),),
            shares=tuple(float(share) for share in shares),
        )

    @property
    def center(self) -> tuple[int, int]:
        """The whole pixel that squares and radii are about, in the map."""
        y, x = nearest_pixel(self.unit_pixel)
        return (
            min(max(y, 0), self.map.shape[0] - 1),
            min(max(x, 0), self.map.shape[1] - 1),
        )

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The images' (H, W); None where they differ."""
        return self.sizes[0][:2] if len(self.sizes) == 1 else None

    @property
    def image_area(self) -> float:
        """Mean pixels of an image."""
        if not self.sizes:
            return float(self.map.size)
        total = sum(h * w * n for h, w, n in self.sizes)
        return total / sum(n for _, _, n in self.sizes)

    def statistics(self) -> dict:
        """Every statistic of the map, as plain JSON.

        Returns:
            dict: Such as ``{'centred_square': {'0.5': {'side': 121,
            'area_ratio': 0.29}}, ...}``, sides and radii in input pixels;
            None for every family where the map is zero everywhere.
        """
        area = None if len(self.sizes) <= 1 else self.image_area
        return all_statistics(self.map, self.center, self.shares, area)

    def record(self) -> dict:
        """Everything but the arrays, with the statistics, as plain JSON."""
        record = self._meta()
        record['statistics'] = self.statistics()
        return record

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz`` with ``map``, ``stderr`` and ``meta`` (JSON).

        The file appears whole or not at all.
        """
        arrays = {
            name: value
            for name in _ARRAYS
            if (value := getattr(self, name)) is not None
        }
        meta = np.array(json.dumps(self._meta()))
        return write_whole(
            path,
            lambda file: np.savez_compressed(file, **arrays, meta=meta),
        )

    @classmethod
    def load(cls, path: str | os.PathLike) -> ERFResult:
        """Read what ``save`` wrote; nothing in the file is executed.

        Raises:
            ResultError: If the file is missing, damaged or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {n: file[n] for n in _ARRAYS if n in file.files}
                meta = json.loads(str(file['meta'][()]))
        except FileNotFoundError as error:
            raise ResultError(f'there is no file {path}') from error
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            raise ResultError(
                f'{path} is not a whole ERF result ({_one_line(error)}); '
                'measure it again, or use ERFResult.from_map on the array'
            ) from error
        return cls._from_parts(arrays, meta, str(path))

    def _meta(self) -> dict:
        meta: dict[str, Any] = {'format': FORMAT}
        for item in fields(self):
            if item.name not in _ARRAYS:
                meta[item.name] = getattr(self, item.name)
        meta['input_size'] = self.input_size
        return json.loads(json.dumps(meta))

    @classmethod
    def _from_parts(
        cls, arrays: dict[str, np.ndarray], meta: Any, path: str
    ) -> ERFResult:
        if not isinstance(meta, dict) or meta.get('format') != FORMAT:
            raise ResultError(
                f'{path} holds no ERF result of format {FORMAT}; measure it '
                'again with this version of mmerf'
            )
        _check_map(arrays.get('map', np.zeros(0)), path)
        for name, array in arrays.items():
            if array.shape != arrays['map'].shape:
                raise ResultError(
                    f'{path}: {name} has shape {array.shape}, the map '
                    f'{arrays["map"].shape}; the file is damaged'
                )
        known = {item.name for item in fields(cls)} - set(_ARRAYS)
        values: dict[str, Any] = {
            k: _tuples(v) for k, v in meta.items() if k in known
        }
        values.update(arrays)
        try:
            result = cls(**values)
            result.record()
        except (TypeError, ValueError, IndexError, StatisticError) as error:
            raise ResultError(
                f'{path}: its meta does not fit ({_one_line(error)}); the '
                'file is damaged'
            ) from error
        return result


def _check_map(array: np.ndarray, name: str) -> None:
    if array.ndim != 2 or array.size == 0 or array.dtype.kind != 'f':
        raise ResultError(
            f'{name} holds an array of shape {array.shape}, {array.dtype}; '
            'a map is a non-empty floating (H, W)'
        )
    if not np.isfinite(array).all() or (array < 0).any():
        raise ResultError(
            f'{name} holds a negative or non-finite value; a map is >= 0'
        )


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _one_line(error: BaseException) -> str:
    text = ' '.join(str(error).split()) or type(error).__name__
    return text[:160]
