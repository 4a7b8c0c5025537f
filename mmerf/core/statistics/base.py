"""What a statistic is: numbers of a raw (H, W) map, and where they show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .context import StatisticContext
from .texts import lower_bound, with_error

SIZES = 'sizes'  # the first table that tools/erf.py prints
SHAPES = 'shapes'  # the second
REPORT = 'report'  # Markdown, LaTeX, and what compare_erf.py prints
CSV = 'csv'
GROWTH = 'growth'  # the figure over training steps
SCALARS = 'scalars'  # what the hook logs at every measured validation
EVERYWHERE = frozenset({SHAPES, REPORT, CSV, GROWTH, SCALARS})


@dataclass(frozen=True)
class Number:
    """One number of a statistic, and how tables, figures and logs show it.

    Attributes:
        key (str): Its name in CSV columns and in the scalar
            ``erf_<key>/<layer>``.
        path (tuple[str, ...]): Keys that lead to it in the dict of
            ``compute``.
        heading (str): Heading of its column, with the unit.
        form (str): Format spec in tables, such as ``'.1f'``.
        percent (bool): Whether tables show it in per cent.
        beside (tuple[str, ...]): Path of a second number in the same cell.
        stderr (tuple[str, ...]): Path of its standard error in the result's
            ``uncertainty``; empty if it has none.
        bound (tuple[str, ...]): Path of a bool in the dict of ``compute``:
            whether the number is only a lower bound; empty if it never is.
        share (float, optional): The share that it was computed for; None if
            it depends on none.
        places (collection of str): Where it is shown: constants of this
            module.
        rank (int): Columns are sorted by rank; equal ranks keep the order of
            the statistics.
    """

    key: str
    path: tuple[str, ...]
    heading: str
    form: str = '.3g'
    percent: bool = False
    beside: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    share: float | None = None
    places: Collection[str] = EVERYWHERE
    rank: int = 50

    def value(self, family: Mapping | None) -> Any:
        """The number; None if it does not exist.

        Args:
            family (mapping, optional): The dict that ``compute`` returned.
        """
        return nested_value(family, self.path)

    def error(self, uncertainty: Mapping | None) -> float | None:
        """Its standard error in a result's ``uncertainty``, if it has one."""
        return nested_value(uncertainty, self.stderr) if self.stderr else None

    def is_bound(self, family: Mapping | None) -> bool:
        """Whether the number is only a lower bound.

        Args:
            family (mapping, optional): The dict that ``compute`` returned.
        """
        return bool(self.bound and nested_value(family, self.bound))

    def text(self, family: Mapping | None, uncertainty: Mapping | None) -> str:
        """The number as text, with its standard error; ``'-'`` for None.

        Args:
            family (mapping, optional): The dict that ``compute`` returned.
            uncertainty (mapping, optional): The result's ``uncertainty``.

        Example:
            >>> side = Number('s', ('side',), 'side (px)', '', stderr=('s',))
            >>> side.text({'side': 121}, {'s': 3.14}), side.text(None, None)
            ('121 ± 3.1', '-')
        """
        texts = [self.format_value(self.value(family))]
        if self.beside:
            beside = nested_value(family, self.beside)
            texts.append(self.format_value(beside))
        if '-' in texts:
            return '-'
        text = lower_bound(' '.join(texts), self.is_bound(family))
        return self._with_error(text, self.error(uncertainty))

    def format_value(
        self, value: Any, error: float | None = None, bound: bool = False
    ) -> str:
        """Any value of this number as text, with a standard error.

        Args:
            value: None becomes ``'-'``.
            error (float, optional): Its standard error.
            bound (bool): Whether the value is only a lower bound.
        """
        if value is None:
            return '-'
        times, unit = (100, ' %') if self.percent else (1, '')
        text = f'{format(value * times, self.form)}{unit}'
        return self._with_error(lower_bound(text, bound), error)

    def _with_error(self, text: str, error: float | None) -> str:
        """A standard error behind a number, to a tenth where it is in px."""
        form = '.1f' if self.form in ('', '.1f') else '.2g'
        return with_error(text, error, form)


class Statistic:
    """Base class of all statistics.

    Attributes:
        name (str): Key of its numbers in ``ERFResult.statistics()``.

    Example:
        >>> class Peak(Statistic):
        ...     name = 'peak'
        ...     def compute(self, map_hw, center_yx, context):
        ...         return {'value': float(map_hw.max())}
        ...     def numbers(self, shares):
        ...         return [Number('peak', ('value',), 'peak')]
    """

    name: str

    def compute(
        self,
        map_hw: np.ndarray,
        center_yx: tuple[int, int],
        context: StatisticContext,
    ) -> dict:
        """The statistic's numbers, as plain JSON.

        Args:
            map_hw (np.ndarray): Raw map, shape (H, W), >= 0, not all zero.
            center_yx (tuple[int, int]): The unit's input pixel.
            context (StatisticContext): Shares, image area, theoretical field.

        Returns:
            dict: String keys; numbers, lists or dicts of them, and None
            where a quantity does not exist.
        """
        raise NotImplementedError

    def numbers(self, shares: Sequence[float]) -> Sequence[Number]:
        """The numbers that are shown, for these shares; by default none."""
        return ()


def nested_value(values: Mapping | None, path: Sequence[str]) -> Any:
    """The value at a path in nested mappings; None if a key is missing."""
    found: Any = values
    for key in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def middle_share(shares: Sequence[float]) -> float:
    """The share whose area tables show: 0.5, or else the first."""
    return 0.5 if 0.5 in shares else shares[0]


def headline_shares(shares: Sequence[float]) -> list[float]:
    """The two shares that small figures show.

    0.5, or else the first; and 0.99, or else the last.

    Example:
        >>> headline_shares((0.2, 0.3, 0.5, 0.99)), headline_shares((0.8,))
        ([0.5, 0.99], [0.8])
    """
    last = 0.99 if 0.99 in shares else shares[-1]
    return sorted({middle_share(shares), last})
