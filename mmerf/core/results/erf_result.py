"""ERFResult: a measured map with its unit, counts and provenance."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError, one_line
from ..grid.coordinates import clipped_pixel, nearest_pixel
from ..statistics import SHARES, STATISTICS, StatisticContext, all_statistics
from .npz import ARRAYS, check_map_array, read_npz, write_npz
from .over_images import common_frame
from .summary import summary_html, summary_line
from .theoretical_field import Support
from .validation import check_meta

RESULT_KINDS = ('erf', 'attention')
NO_STATISTICS = (
    'a picture of attention: no receptive field, so no statistics of one'
)


@dataclass(frozen=True, eq=False, repr=False)
class ERFResult:
    """The effective receptive field of one layer's target.

    Attributes:
        map (np.ndarray): Mean contribution of every input pixel, (H, W),
            float64, >= 0: raw and linear.
        layer (str): The layer's key, such as ``'backbone[3]'``.
        unit_pixel (tuple[float, float]): Where the unit sits in the map, in
            input pixels (y, x).
        unit (tuple[int, int], optional): The unit (y, x) of the layer's
            grid; None if images have different grids, or no unit is scored.
        grid (tuple[int, int], optional): The layer's (h, w); None if images
            have different grids.
        stride (tuple[float, float], optional): Input pixels from one unit to
            the next, down and across.
        pixel_known (bool): Whether the unit's pixel was read from the
            model's own operations; False where an even grid was assumed.
        num_images (int): Images in the mean.
        zero_score_images (int): Of those, images whose score was zero.
        excluded (tuple[str, ...]): Images left out because their map or
            score is not finite.
        absent_images (int): Images without the target, such as a class that
            they do not show; not in the mean.
        units (int): Maps in the mean: images, or all units of all images.
        zero_score_units (int): Of those, maps whose score was zero.
        kind (str): ``'erf'``, or ``'attention'`` for a picture of attention,
            which has no ERF statistics.
        sizes (tuple[tuple[int, int, int], ...]): (H, W, how many images).
        stderr (np.ndarray, optional): Standard error of the map, (H, W);
            NaN for fewer than two images.
        coverage (np.ndarray, optional): How many images' frames reach a pixel,
            (H, W); an image with several units counts with the share of its
            units. None if all images reach all pixels.
        theory (Support, optional): Theoretical receptive field of the unit.
        uncertainty (dict): Standard errors of the sides over images, and how
            many equally bright images the mean is worth.
        definition (dict): Descriptions of what was scored and attributed.
        shares (tuple[float, ...]): Shares that ``statistics`` reports.
        provenance (dict): Versions, config, checkpoint, device and so on.
    """

    map: np.ndarray
    layer: str = 'map'
    unit_pixel: tuple[float, float] = (0.0, 0.0)
    unit: tuple[int, int] | None = None
    grid: tuple[int, int] | None = None
    stride: tuple[float, float] | None = None
    pixel_known: bool = True
    num_images: int = 1
    zero_score_images: int = 0
    excluded: tuple[str, ...] = ()
    absent_images: int = 0
    units: int = 1
    zero_score_units: int = 0
    kind: str = 'erf'
    sizes: tuple[tuple[int, int, int], ...] = ()
    stderr: np.ndarray | None = None
    coverage: np.ndarray | None = None
    theory: Support | None = None
    uncertainty: dict = field(default_factory=dict)
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
        """A result from any map, for the same statistics and figures.

        Args:
            array_hw (array-like): Raw map, shape (H, W), >= 0.
            center_yx (tuple[float, float], optional): The unit's pixel; None
                for (H // 2, W // 2).
            layer (str): Its name in tables and figures.
            shares (sequence of float): Shares that statistics report.

        Returns:
            ERFResult: With the map as float64.

        Raises:
            ResultError: If the array is not a finite (H, W) map >= 0, or the
                centre lies outside it.

        Example:
            >>> result = ERFResult.from_map(np.ones((5, 5)))
            >>> result.statistics()['centred_square']['0.5']['side']
            5
        """
        array = np.array(array_hw, dtype=np.float64)
        check_map_array(array, 'the map')
        if center_yx is None:
            center_yx = (array.shape[0] // 2, array.shape[1] // 2)
        if not all(
            -0.5 <= c <= side - 0.5
            for c, side in zip(center_yx, array.shape, strict=True)
        ):
            raise ResultError(
                f'center_yx={tuple(center_yx)} lies outside the '
                f'{array.shape[0]} x {array.shape[1]} map'
            )
        return cls(
            map=array,
            layer=layer,
            unit_pixel=(float(center_yx[0]), float(center_yx[1])),
            sizes=((array.shape[0], array.shape[1], 1),),
            shares=tuple(float(share) for share in shares),
        )

    def __repr__(self) -> str:
        return summary_line(self)

    def _repr_html_(self) -> str:
        return summary_html(self)  # notebooks call it

    @property
    def center(self) -> tuple[int, int]:
        """The whole pixel of the map that squares and radii are about."""
        return clipped_pixel(nearest_pixel(self.unit_pixel), self.map.shape)

    @property
    def label(self) -> str:
        """Its name in figures: the layer, and what was switched off."""
        off = self.provenance.get('without')
        if not off or not isinstance(off, dict):
            return self.layer
        names = ', '.join(map(str, list(off)[:3]))
        more = f' and {len(off) - 3} more' if len(off) > 3 else ''
        return f'{self.layer} without {names}{more}'

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The images' (H, W); None if they differ."""
        return self.sizes[0][:2] if len(self.sizes) == 1 else None

    @property
    def image_area(self) -> float:
        """Mean area of an image, in pixels."""
        if not self.sizes:
            return float(self.map.size)
        total = sum(h * w * n for h, w, n in self.sizes)
        return total / sum(n for _, _, n in self.sizes)

    @cached_property
    def common_frame(self) -> tuple[int, int, int, int] | None:
        """First, last row and column that all images reach; None: all."""
        reached = self.coverage
        return None if reached is None else common_frame(reached, self.center)

    def statistics(self, names: Iterable[str] | None = None) -> dict:
        """Every statistic of the map, as plain JSON.

        Args:
            names (iterable of str, optional): Only these statistics; None
                for all, with ``uncertainty``.

        Returns:
            dict: Such as ``{'centred_square': {'0.5': {'side': 121,
            'area_ratio': 0.29}}, ...}``, sides and radii in input pixels;
            None for every family if the map is zero everywhere or is no
            receptive field; in the latter case a ``note`` says so.

        Raises:
            KeyError: If there is no statistic of a name.
        """
        chosen = list(STATISTICS if names is None else names)
        erf = self.kind == 'erf'
        found: dict = dict.fromkeys(chosen)
        if erf:
            self._compute(
                [name for name in chosen if name not in self._computed]
            )
            found = {name: self._computed[name] for name in chosen}
        if names is None:
            found['uncertainty'] = (self.uncertainty or None) if erf else None
        if not erf:
            found['note'] = NO_STATISTICS
        return copy.deepcopy(found)

    @cached_property
    def _computed(self) -> dict:
        """Statistics that are computed already, by name."""
        return {}

    def _compute(self, names: list[str]) -> None:
        whole = self.map.size == self.image_area
        context = StatisticContext(
            self.shares,
            None if whole else self.image_area,
            None if self.theory is None else self.theory.size,
            self.common_frame,
        )
        self._computed.update(
            all_statistics(self.map, self.center, context, names)
        )

    def record(self) -> dict:
        """Everything but the arrays, with the statistics, as plain JSON."""
        record = self._meta()
        record['statistics'] = self.statistics()
        return record

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz`` with the arrays and ``meta`` (JSON text).

        The file appears whole or not at all.
        """
        arrays = {name: getattr(self, name) for name in ARRAYS}
        present = {k: v for k, v in arrays.items() if v is not None}
        return write_npz(path, present, self._meta())

    @classmethod
    def load(cls, path: str | os.PathLike) -> ERFResult:
        """Load what ``save`` wrote; nothing in the file is executed.

        Raises:
            ResultError: If the file is missing, damaged or no ERF result.
        """
        arrays, meta = read_npz(path)
        known = {item.name for item in fields(cls)} - set(ARRAYS)
        values: dict[str, Any] = {
            k: _tuples(v) for k, v in meta.items() if k in known
        }
        try:
            if values.get('theory') is not None:
                values['theory'] = Support.from_dict(values['theory'])
            result = cls(**{**values, **arrays})
            check_meta(result, RESULT_KINDS)
            result._meta()
        except Exception as error:
            raise ResultError(
                f'{path}: its meta does not fit ({one_line(error, 160)}); the '
                'file is damaged'
            ) from error
        return result

    def _meta(self) -> dict:
        meta: dict[str, Any] = {}
        for item in fields(self):
            if item.name not in ARRAYS:
                meta[item.name] = getattr(self, item.name)
        meta['input_size'] = self.input_size
        meta['theory'] = None if self.theory is None else asdict(self.theory)
        return json.loads(json.dumps(meta))


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
