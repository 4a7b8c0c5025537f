"""Maps of several runs in one figure, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import ConfigError
from ..core.results.erf_result import ERFResult
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.sheet import rows_of_panels
from .drawing.text import changed_settings
from .drawing.view import View
from .panel_grid import draw_grid

Runs = Mapping[str, Mapping[str, ERFResult]]
LAYOUTS = ('rows', 'columns')


def plot_comparison(
    runs: Runs,
    *,
    layers: Sequence[str] | None = None,
    gaps: Mapping[str, str] | None = None,
    title: str | None = None,
    view: View | None = None,
    note: str = '',
    layout: str | None = None,
    **look: Any,
) -> tuple[Figure, np.ndarray]:
    """Maps of several runs: runs down and layers across.

    Runs are across and layers down where that takes fewer rows of panels,
    unless a layout is given.
    Each map is normalised to 0 to 1 by itself. Every panel shows as many
    pixels about the unit, so that maps of different size are drawn to the
    same scale, with a grey margin where a map ends. A panel whose layer the
    run does not have stays empty but for a note. Where the names of the runs
    hold settings, as a sweep's do, the first one is whole, and the others say
    in bold what differs from it.

    Args:
        runs (mapping): Results by the run's name, then by layer; in drawing
            order.
        layers (sequence of str, optional): Only these; None for all layers.
        gaps (mapping of str to str, optional): By the name of a run without
            results, the reason to write in its place.
        title (str, optional): Title of the whole figure.
        view (View, optional): What panels show; None for 1.2 times the
            largest square.
        note (str): To be written below all panels.
        layout (str, optional): ``'rows'``: each run is a row;
            ``'columns'``: each is a column; None for what takes fewer rows.
        **look: As for ``plot_layers``.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (runs, layers).

    Raises:
        ConfigError: If a setting is unknown.
    """
    chosen = Look(**look)
    known = list(dict.fromkeys(la for run in runs.values() for la in run))
    names, columns = list(runs), list(layers or known)
    cells = [[run.get(layer) for layer in columns] for run in runs.values()]
    missing = {}
    for i, run in enumerate(runs.values()):
        reason = None if run else (gaps or {}).get(names[i])
        for j, layer in enumerate(columns):
            if reason is None and layer not in run:
                missing[i, j] = 'no such layer'
        if reason is not None:
            missing[i, 0] = f'not measured: {reason}'
    if layout not in (None, *LAYOUTS):
        raise ConfigError(
            f'unknown layout {layout!r}; the known ones are '
            f'{", ".join(LAYOUTS)}'
        )
    fewer = rows_of_panels(len(columns), len(names), chosen) < (
        rows_of_panels(len(names), len(columns), chosen)
    )
    across = layout == 'columns' or (layout is None and fewer)
    changed = changed_settings(names)
    names = [changed.get(name, name) for name in names]
    options: dict[str, Any] = {
        'look': chosen,
        'title': title,
        'bold': changed.values(),
        'note': note,
    }
    if not across:
        return draw_grid(
            cells, columns, names, missing=missing, view=view, **options
        )
    fig, axes = draw_grid(
        list(zip(*cells, strict=True)),
        names,
        columns if len(columns) > 1 else ('',),
        missing={(j, i): text for (i, j), text in missing.items()},
        view=view,
        **options,
    )
    return fig, axes.T
