"""How the ERF's size changes over a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..core.errors import ConfigError
from ..core.statistics import Number, headline_shares, shown_numbers
from ..core.statistics.base import GROWTH
from ..core.statistics.erf_size import SIZE_IN_WORDS
from .drawing.figure import Figure
from .drawing.look import Look
from .drawing.panels import add_foot, legend_below
from .drawing.style import (
    COLUMN_WIDTH,
    PAGE_WIDTH,
    layer_styles,
    style,
)
from .drawing.text import wrap_text
from .growth_lines import History, draw_ceiling, draw_line

_TICK_SPACING = 0.6  # inches between labelled steps, at least


def plot_growth(
    histories: Mapping[str, History],
    *,
    layers: Sequence[str] | None = None,
    title: str | None = None,
    width: str = 'page',
) -> tuple[Figure, np.ndarray]:
    """Sides and ERF size by training step, one line per layer.

    Bands reach one standard error up and down, where it was measured. Only
    shares that all records have are drawn. Dotted lines are the height and
    the width of the images, unless they are more than twice as large as every
    value.

    Args:
        histories (mapping): By name of the training, the records of its
            ``erf.jsonl``: ``step``, ``layer``, ``statistics``.
        layers (sequence of str, optional): Layers to draw; None for all.
        title (str, optional): Title of the whole figure.
        width (str): ``'page'`` or ``'column'`` of a paper; one training is
            always as wide as a column, many are wider than a page.

    Returns:
        tuple[Figure, np.ndarray]: The figure, and its axes, shape
        (quantities, trainings).

    Raises:
        ConfigError: If no training has one of the layers, a record is of a
            picture of attention, or the records have no share in common.

    Example:
        >>> records = [
        ...     {'step': step, 'layer': 'a', 'statistics': {
        ...         'centred_square': {'0.5': {'side': 3 + step}}}}
        ...     for step in (0, 8)]
        >>> fig, axes = plot_growth({'run': records})
        >>> axes[0, 0].get_lines()[0].get_ydata()
        array([ 3., 11.])
    """
    known = list(
        dict.fromkeys(r['layer'] for h in histories.values() for r in h)
    )
    for layer in layers or ():
        if layer not in known:
            raise ConfigError(
                f'no training has a layer {layer!r}; they have '
                f'{", ".join(known)}'
            )
    chosen = list(layers or known)
    looks = layer_styles(known)
    kept = {
        name: [r for r in history if r['layer'] in chosen]
        for name, history in histories.items()
    }
    _refuse_attention(kept)
    numbers = shown_numbers(GROWTH, _shares(kept))
    rows = [
        number.heading + (' (%)' if number.percent else '')
        for _, number in numbers
    ]
    count = len(histories)
    inches = COLUMN_WIDTH
    if count > 1 and Look(width=width).width == 'page':
        inches = max(PAGE_WIDTH, 2.3 * count)
    panel = inches / count - 0.3
    with style():
        fig = Figure(figsize=(inches, 1), dpi=150)
        fig.set_layout_engine('constrained')
        axes = fig.subplots(
            len(rows), count, squeeze=False, sharex='col', sharey='row'
        )
        handles: dict[str, Line2D] = {}
        for column, (name, history) in zip(axes.T, kept.items(), strict=True):
            for layer in chosen:
                records = [r for r in history if r['layer'] == layer]
                if not records:
                    continue
                for ax, (family, number) in zip(column, numbers, strict=True):
                    found = [record['statistics'] for record in records]
                    values = [number.value(f.get(family)) for f in found]
                    errors = [
                        number.error(f.get('uncertainty')) for f in found
                    ]
                    if number.percent:
                        values, errors = _percent(values), _percent(errors)
                    bounds = [number.is_bound(f.get(family)) for f in found]
                    line = draw_line(
                        ax, records, looks[layer], values, errors, bounds
                    )
                handles.setdefault(layer, line)
            column[-1].set_xlabel('training step')
            column[-1].xaxis.set_major_locator(
                MaxNLocator(max(int(panel / _TICK_SPACING), 1), integer=True)
            )
            if count > 1:
                column[0].set_title(wrap_text(name, panel), parse_math=False)
        for row, (_, number) in zip(axes, numbers, strict=True):
            if number.heading.endswith('(px)'):
                for ax, history in zip(row, kept.values(), strict=True):
                    draw_ceiling(ax, history, row[0].get_ylim()[1])
            low, high = row[0].get_ylim()  # the row shares its limits
            negative = any(ax.dataLim.y0 < 0 for ax in row)
            row[0].set_ylim(low if negative else 0, max(1.05 * high, 0))
        for ax in axes.ravel():
            ax.grid(color='#dddddd', linewidth=0.5)
            ax.spines[['top', 'right']].set_visible(False)
        for ax, text in zip(axes[:, 0], rows, strict=True):
            ax.set_ylabel(text)
        legend = legend_below(fig, list(handles.values()), frameon=False)
        fig.set_figheight(1.25 * len(rows) + 0.6 + legend)
        add_foot(fig, _foot_note(kept, numbers))
        if title:
            fig.suptitle(title)
    return fig, axes


def _foot_note(
    histories: Mapping[str, History], numbers: Sequence[tuple[str, Number]]
) -> str:
    """What sides, the ERF size, bands and hollow marks are, where drawn."""
    parts = []
    if any(family == 'centred_square' for family, _ in numbers):
        parts.append(
            'side: of the square that holds so much of the contribution'
        )
    if any(family == 'erf_size' for family, _ in numbers):
        parts.append(f'ERF size: {SIZE_IN_WORDS}')
    if any(
        number.error(record['statistics'].get('uncertainty')) is not None
        for history in histories.values()
        for record in history
        for _, number in numbers
    ):
        parts.append('bands: standard error over images')
    if any(
        number.is_bound(record['statistics'].get(family))
        for history in histories.values()
        for record in history
        for family, number in numbers
    ):
        parts.append('hollow: at least (≥), the image ends there')
    return '; '.join(parts)


def _percent(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else 100 * value for value in values]


def _refuse_attention(histories: Mapping[str, History]) -> None:
    """Raise ConfigError if a record is of a picture of attention."""
    for name, history in histories.items():
        for record in history:
            if record.get('kind') == 'attention':
                raise ConfigError(
                    f'{name}, {record["layer"]} is a picture of '
                    'attention, which has no size to draw; choose trainings '
                    'or layers with an ERF'
                )


def _shares(histories: Mapping[str, History]) -> list[float]:
    """The shares of which numbers are drawn."""
    every = {
        f'{name}, step {record["step"]}, {record["layer"]}': squares
        for name, history in histories.items()
        for record in history
        if (squares := record['statistics'].get('centred_square'))
    }
    if not every:
        return []
    first, *others = every
    common = list(every[first])
    for where in others:
        both = [share for share in common if share in every[where]]
        if not both:
            raise ConfigError(
                f'no share is in all records: {where} has '
                f'{", ".join(every[where])}, those from {first} on share '
                f'{", ".join(common)}; measure all with the same shares'
            )
        common = both
    return headline_shares([float(share) for share in common])
