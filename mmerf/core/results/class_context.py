"""ClassContext: from pixels of which classes each class is decided."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError, one_line
from .npz import read_parts, write_npz

KIND = 'class context'  # as files state it
UNLABELLED = 'unlabelled'  # the last column: pixels of no class
SPLIT = ('own segment', 'rest of own class', 'elsewhere')
_TABLES = ('shares', 'shares_stderr', 'split', 'split_stderr', 'size_ratio',
           'size_ratio_stderr')  # fmt: skip
_COUNTS = ('images', 'absent_images', 'zero_images')


@dataclass(frozen=True, eq=False)
class ClassContext:
    """Shares of each class's contributions, by the class of their pixels.

    A row is the mean over the images that have its class; standard errors
    are over images, NaN for fewer than two. A class that no image has is no
    row.

    Attributes:
        layer (str): The layer's key, such as ``'decode_head'``.
        rows (tuple[str, ...]): Classes that were scored.
        columns (tuple[str, ...]): Every class, and last the pixels of none:
            ignored labels and padding.
        by_class (str): What says of which class a pixel is:
            ``'prediction'`` or ``'label'``.
        shares, shares_stderr (np.ndarray): Shape (rows, columns); each row
            of shares sums to 1.
        split, split_stderr (np.ndarray): Shape (rows, 3): the share inside
            the segments of which a unit was scored, in the rest of the own
            class, and elsewhere; segments are the components of the class's
            pixels, connected where they share an edge.
        size_ratio, size_ratio_stderr (np.ndarray): Shape (rows,): root of
            the map's effective area over the root of the segments' area.
        images (tuple[int, ...]): By row, images in the mean.
        absent_images (tuple[int, ...]): By row, images without the class.
        zero_images (tuple[int, ...]): By row, images whose map is zero
            everywhere; not in the mean.
        definition (dict): Descriptions of what was scored and attributed.
        provenance (dict): Versions, config, checkpoint, device and so on.
    """

    layer: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    by_class: str
    shares: np.ndarray = field(repr=False)
    shares_stderr: np.ndarray = field(repr=False)
    split: np.ndarray = field(repr=False)
    split_stderr: np.ndarray = field(repr=False)
    size_ratio: np.ndarray = field(repr=False)
    size_ratio_stderr: np.ndarray = field(repr=False)
    images: tuple[int, ...]
    absent_images: tuple[int, ...]
    zero_images: tuple[int, ...]
    definition: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)

    @property
    def own_class_share(self) -> np.ndarray:
        """Share inside the own class, by row, shape (rows,)."""
        return self.split[:, :2].sum(axis=1)

    def means(self) -> dict[str, float]:
        """Means over the rows, in which every class counts alike.

        Returns:
            dict[str, float]: ``own_segment_share``, the share inside the
            scored segments, and ``own_class_share``, that inside the whole
            own class; NaN without a row.
        """
        shares = {
            'own_segment_share': self.split[:, 0],
            'own_class_share': self.own_class_share,
        }
        return {
            name: float(values.mean()) if len(values) else math.nan
            for name, values in shares.items()
        }

    def record(self) -> dict:
        """Everything as plain JSON; None for a number that is not known."""
        tables = {name: _as_lists(getattr(self, name)) for name in _TABLES}
        means = {name: _number(mean) for name, mean in self.means().items()}
        return {
            'kind': KIND,
            **self._meta(),
            **means,
            'split_columns': list(SPLIT),
            **tables,
        }

    def table(self) -> list[dict[str, Any]]:
        """One row per class, with numbers as they are."""
        found = []
        for i, name in enumerate(self.rows):
            row: dict[str, Any] = {'layer': self.layer, 'class': name}
            row.update({key: getattr(self, key)[i] for key in _COUNTS})
            for j, part in enumerate(SPLIT):
                key = part.replace(' ', '_')
                row[key] = _number(self.split[i, j])
                row[f'{key}_stderr'] = _number(self.split_stderr[i, j])
            row['size_ratio'] = _number(self.size_ratio[i])
            row['size_ratio_stderr'] = _number(self.size_ratio_stderr[i])
            for j, column in enumerate(self.columns):
                row[f'in {column}'] = _number(self.shares[i, j])
                error = _number(self.shares_stderr[i, j])
                row[f'in {column} (stderr)'] = error
            found.append(row)
        return found

    def save(self, path: str | os.PathLike) -> Path:
        """Write an ``.npz`` with the tables and ``meta`` (JSON text).

        The file appears whole or not at all.
        """
        tables = {name: getattr(self, name) for name in _TABLES}
        meta = {'kind': KIND, **self._meta()}
        return write_npz(path, tables, meta)

    @classmethod
    def load(cls, path: str | os.PathLike) -> ClassContext:
        """Load what ``save`` wrote; nothing in the file is executed.

        Raises:
            ResultError: If the file is missing, damaged or something else.
        """
        tables, meta = read_parts(path, _TABLES, KIND)
        known = {item.name for item in fields(cls)} - set(_TABLES)
        try:
            if meta['kind'] != KIND:
                raise ValueError(f'it is a {meta["kind"]!r:.40}')
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v
                for k, v in meta.items()
                if k in known
            }
            found = cls(**{**values, **tables})
            found._check()
        except Exception as error:  # fields that do not fit together
            raise ResultError(
                f'{path} is no whole class context ({one_line(error, 160)}); '
                'measure it again'
            ) from error
        return found

    def _meta(self) -> dict:
        names = (item.name for item in fields(self))
        meta = {n: getattr(self, n) for n in names if n not in _TABLES}
        return json.loads(json.dumps(meta))

    def _check(self) -> None:
        """Raise unless the fields of a loaded file fit together."""
        rows, columns = len(self.rows), len(self.columns)
        widths = {'split': 3, 'size_ratio': None, 'shares': columns}
        for name in _TABLES:
            width = widths[name.removesuffix('_stderr')]
            shape = (rows,) if width is None else (rows, width)
            array = getattr(self, name)
            if array.dtype != np.float64 or array.shape != shape:
                raise ValueError(f'{name} is {array.dtype} {array.shape}')
        for name in _COUNTS:
            if [type(n) for n in getattr(self, name)] != [int] * rows:
                raise ValueError(f'{name} holds {getattr(self, name)!r:.40}')
        named = (*self.rows, *self.columns, self.layer, self.by_class)
        if not all(isinstance(name, str) for name in named):
            raise ValueError('a name is no text')
        for mapping in (self.definition, self.provenance):
            if not isinstance(mapping, Mapping):
                raise ValueError(f'{mapping!r:.40} is no mapping')


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _as_lists(table: np.ndarray) -> list:
    """An array as lists, None for NaN."""
    if table.ndim == 1:
        return [_number(value) for value in table]
    return [_as_lists(row) for row in table]
