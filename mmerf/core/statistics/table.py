"""The statistics that there are, in the order of results: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..import_path import find_object
from .base import Number, Statistic
from .centred_square import CentredSquare
from .context import SHARES, StatisticContext
from .densest_area import DensestArea
from .effective_area import EffectiveArea
from .erf_size import ERFSize
from .gaussian import Gaussian
from .radial import Radial
from .replknet import RepLKNetAreas

STATISTICS: dict[str, Statistic] = {
    statistic.name: statistic
    for statistic in (
        CentredSquare(),
        DensestArea(),
        EffectiveArea(),
        Gaussian(),
        ERFSize(),
        Radial(),
        RepLKNetAreas(),
    )
}


def add_statistics(specs: Iterable[Any] | None) -> None:
    """Add your own statistics for the rest of this process.

    Results, tables, figures and the hook's scalars then have them as they
    have those of the table. Adding one again changes nothing.

    Args:
        specs (iterable, optional): Each a Statistic, its class, or the
            class's import path, ``'my_pkg.MyStatistic'``.

    Raises:
        ConfigError: If one is no statistic, or has the name of another.
    """
    specs = [specs] if isinstance(specs, (str, Statistic)) else specs or ()
    for spec in specs:
        statistic = find_object(spec) if isinstance(spec, str) else spec
        if isinstance(statistic, type):
            statistic = statistic()
        if not isinstance(statistic, Statistic):
            raise ConfigError(
                f'{spec!r:.80} is no statistic; derive a class from '
                'mmerf.Statistic and give it, or its import path'
            )
        known = STATISTICS.setdefault(statistic.name, statistic)
        if type(known) is not type(statistic):
            raise ConfigError(
                f'there is a statistic {statistic.name!r} already; give '
                f'{type(statistic).__name__} another name'
            )


def all_statistics(
    map_hw: np.ndarray,
    center_yx: tuple[int, int],
    context: StatisticContext | None = None,
    names: Iterable[str] | None = None,
) -> dict:
    """Every statistic of one map, as plain JSON.

    Args:
        map_hw (np.ndarray): Raw ERF map, shape (H, W), >= 0.
        center_yx (tuple[int, int]): The unit's input pixel.
        context (StatisticContext, optional): Shares, mean image area,
            theoretical field.
        names (iterable of str, optional): Only these statistics.

    Returns:
        dict: Statistic to numbers; None for every one of an all-zero map.
    """
    chosen = list(STATISTICS if names is None else names)
    if not map_hw.any():
        return dict.fromkeys(chosen)
    context = context or StatisticContext()
    return {
        name: STATISTICS[name].compute(map_hw, center_yx, context)
        for name in chosen
    }


def shown_numbers(
    place: str, shares: Sequence[float] = SHARES
) -> list[tuple[str, Number]]:
    """The numbers that a table, figure or log shows, in its order.

    Args:
        place (str): One of the places of ``statistics.base``.
        shares (sequence of float): That were measured.

    Returns:
        list[tuple[str, Number]]: Each with its statistic's name.
    """
    found = [
        (name, number)
        for name, statistic in STATISTICS.items()
        for number in statistic.numbers(shares)
        if place in number.places
    ]
    return sorted(found, key=lambda pair: pair[1].rank)
