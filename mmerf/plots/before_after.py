"""Maps of several models, before a change and after it, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.look import Look
from .panel_grid import draw_grid

Pair = tuple[ERFResult, ERFResult]


def plot_before_after(
    pairs: Mapping[str, Pair],
    *,
    rows: tuple[str, str] = ('before training', 'after training'),
    title: str | None = None,
    **look: Any,
) -> tuple[Figure, np.ndarray]:
    """Models across; in the first row before, in the second after.

    Every map is normalised to 0 to 1 by itself, and every panel shows as many
    pixels about the unit.

    Args:
        pairs (mapping of str to pair): Results before and after, by the
            model's name, in drawing order.
        rows (tuple[str, str]): Names of the rows.
        title (str, optional): Title of the whole figure.
        **look: Attributes of ``drawing.look.Look``.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (2, models).

    Raises:
        ConfigError: If a setting is unknown.
    """
    before, after = zip(*pairs.values(), strict=True)
    return draw_grid(
        [before, after], list(pairs), rows, look=Look(**look), title=title
    )
