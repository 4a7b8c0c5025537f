"""How faithful attributions are, ranked: a finished result."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError, one_line
from ..results.npz import read_parts, write_npz
from ..results.over_images import mean_and_stderr

_DELETIONS = ('own', 'random')


@dataclass(frozen=True, eq=False)
class RankingResult:
    """Deletion curves of several attributions on the same units.

    Patches of the image are replaced in descending order of a map's mean
    contribution, and in random order. The curves are the absolute change of
    the score, in standard deviations of its channel, at rising shares of
    replaced patches; for each image the mean over its units. A map is the more
    faithful the larger the area between its own curve and the random one.

    Attributes:
        layer (str): The layer's key.
        names (tuple[str, ...]): Of the attributions, as they were given.
        fractions (tuple[float, ...]): Shares of patches, rising to 1, each
            twice the one before; or evenly from 0.
        own (np.ndarray): Curves in the maps' own orders, (attributions,
            images, fractions), float64.
        random (np.ndarray): Curves in random order, the same for all
            attributions, (images, fractions).
        images (tuple[str, ...]): Names of the images.
        units (tuple[int, ...]): Units of each image.
        absent_images (int): Images without the class that was looked at.
        definition (dict): Descriptions of score, change, fill, orders and of
            each attribution.
        provenance (dict): Versions, config, checkpoint, sizes, seed.

    Example:
        >>> result = RankingResult(
        ...     'head', ('a',), (0.0, 0.5, 1.0), np.array([[[0, 2, 2.0]]]),
        ...     np.array([[0, 1, 2.0]]), ('image',), (1,))
        >>> result.areas.tolist()
        [[0.5]]
    """

    layer: str
    names: tuple[str, ...]
    fractions: tuple[float, ...]
    own: np.ndarray = field(repr=False)
    random: np.ndarray = field(repr=False)
    images: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    absent_images: int = 0
    definition: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)

    @property
    def areas(self) -> np.ndarray:
        """Each image's faithfulness, (attributions, images).

        The area between the own and the random curve, by the trapezoidal
        rule, over an axis of length 1 on which the shares are equally far
        apart; 0 for a map that orders no better than chance.
        """
        above = self.own - self.random
        return ((above[..., 1:] + above[..., :-1]) / 2).mean(axis=-1)

    def ranked(self) -> list[dict]:
        """One row per attribution, the most faithful first.

        Returns:
            list[dict]: ``name``; ``faithfulness`` and its ``stderr``;
            ``less`` than the first and ``less_stderr``, of the differences
            in the same image. Standard errors are over images, None for
            fewer than two.
        """
        areas = self.areas
        order = np.argsort(-areas.mean(axis=1), kind='stable')
        best = areas[order[0]]
        rows = []
        for index in order:
            mean, error = mean_and_stderr(areas[index])
            less, less_error = mean_and_stderr(best - areas[index])
            rows.append(
                {
                    'name': self.names[index],
                    'faithfulness': float(mean),
                    'stderr': _finite(error),
                    'less': float(less),
                    'less_stderr': _finite(less_error),
                }
            )
        return rows

    def record(self) -> dict:
        """The ranking and the mean curves, as JSON."""
        record = self._meta()
        record['ranking'] = self.ranked()
        record['random'] = self.random.mean(axis=0).tolist()
        record['own'] = dict(
            zip(self.names, self.own.mean(axis=1).tolist(), strict=True)
        )
        return record

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz``: the curves, and ``meta`` (JSON text)."""
        arrays = {name: getattr(self, name) for name in _DELETIONS}
        return write_npz(path, arrays, {'kind': 'ranking', **self._meta()})

    @classmethod
    def load(cls, path: str | os.PathLike) -> RankingResult:
        """Load what ``save`` wrote; no code is run.

        Raises:
            ResultError: If the file is missing, damaged or no ranking.
        """
        arrays, meta = read_parts(path, _DELETIONS, 'ranking')
        names = {item.name for item in fields(cls)} - {*_DELETIONS}
        try:
            values: dict[str, Any] = {k: meta[k] for k in names}
            for name in ('names', 'fractions', 'images', 'units'):
                values[name] = tuple(values[name])
            result = cls(**{**values, **arrays})
            shape = (len(result.images), len(result.fractions))
            if (
                result.random.shape != shape
                or result.own.shape != (len(result.names), *shape)
                or not (np.isfinite(result.own).all() and result.own.size)
            ):
                raise ValueError(f'the curves are not {shape}')
            json.dumps(result.record(), allow_nan=False)
        except Exception as error:
            raise ResultError(
                f'{path} holds no whole ranking ({one_line(error, 160)}); '
                'measure it again'
            ) from error
        return result

    def _meta(self) -> dict:
        meta = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in _DELETIONS
        }
        return json.loads(json.dumps(meta))


def _finite(value: np.ndarray) -> float | None:
    return float(value) if np.isfinite(value) else None
