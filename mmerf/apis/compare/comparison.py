"""Several runs beside each other, as a figure and as tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...core.atomic_files import check_file_name, write_text
from ...core.errors import ConfigError, one_line
from ...core.results.erf_result import ERFResult
from ...core.results.provenance import (
    check_same_definition,
    definition_differences,
)
from ...plots import plot_comparison, save_figure
from ...plots.comparison import Runs
from ...plots.drawing.figure import Figure
from ...plots.drawing.look import Look
from ...plots.drawing.style import check_title
from .read_runs import read_run, runs_by_name
from .table_files import TABLES, check_tables, table_rows


@dataclass(frozen=True)
class Comparison:
    """Runs to be shown together.

    Attributes:
        runs (dict[str, dict[str, ERFResult]]): By name, then by layer.
        layers (list[str]): In drawing order.
        gaps (dict[str, str]): Runs without a result, and why.
        layout (str, optional): Of the figure; see ``plot_comparison``.
        unchanged (sequence of str): Layers that are the same in all runs: the
            figure only names them, the tables have them.
    """

    runs: dict[str, dict[str, ERFResult]]
    layers: list[str]
    gaps: dict[str, str] = field(default_factory=dict)
    layout: str | None = None
    unchanged: Sequence[str] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader of the figure should know, one sentence per note."""
        notes = [f'{name}: {why}' for name, why in self.gaps.items()]
        for name, results in self.runs.items():
            missing = [la for la in self.layers if la not in results]
            if missing and name not in self.gaps:
                notes.append(
                    f'{name} has no layer {", ".join(missing) or "of these"}'
                )
        notes += self._differences()
        return notes

    def draw(self, title: str | None = None, **look: Any) -> Figure:
        """The figure; ``look`` as for ``plot_comparison``."""
        same = ', '.join(self.unchanged)
        return plot_comparison(
            self.runs,
            layers=[la for la in self.layers if la not in self.unchanged],
            gaps=self.gaps,
            title=title,
            note=f'; not shown, the same in all: {same}' if same else '',
            layout=self.layout,
            **look,
        )[0]

    def rows(self) -> list[dict]:
        """One row per run and layer, as :func:`table_rows` makes them."""
        return table_rows(self.runs, self.layers, self.gaps)

    def _differences(self) -> list[str]:
        """Where definitions, sizes, numbers of images or units differ."""
        notes = definition_differences(by_run_and_layer(self.runs))
        every = [r for run in self.runs.values() for r in run.values()]
        shapes = sorted({result.map.shape for result in every})
        if len(shapes) > 1:
            sizes = ', '.join(f'{h} x {w}' for h, w in shapes)
            notes.append(
                f'the maps are of different size ({sizes} px); all are drawn '
                'to the same scale in pixels, about their units'
            )
        counts = sorted({result.num_images for result in every})
        if len(counts) > 1:
            notes.append(
                f'the means are over {" and ".join(map(str, counts))} images'
            )
        for layer in self.layers:
            pixels = {
                run[layer].unit_pixel
                for run in self.runs.values()
                if layer in run and len(shapes) == 1
            }
            if len(pixels) > 1:
                places = ', '.join(f'({y:.1f}, {x:.1f})' for y, x in pixels)
                notes.append(f'{layer}: the units sit at {places} px')
        return notes


def compare(
    specs: Sequence[str | os.PathLike],
    *,
    names: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    layout: str | None = None,
    force: bool = False,
    read: Callable[[Any], dict[str, ERFResult]] = read_run,
) -> Comparison:
    """Read runs for a comparison.

    Args:
        specs (sequence): Each as ``read`` takes it.
        names (sequence of str, optional): Names of the runs; None for the
            parts of their paths that differ.
        layers (sequence of str, optional): Only these keys; None for all.
        layout (str, optional): ``'rows'`` or ``'columns'`` of runs; None for
            what takes fewer rows of panels.
        force (bool): Compare even if definitions differ.
        read (callable): Gives a run's results by layer.

    Raises:
        ConfigError: If a run or layer does not exist, the names do not fit,
            or definitions differ and ``force`` is not set.
        ResultError: If a file is damaged.
    """
    runs = {k: read(spec) for k, spec in runs_by_name(specs, names).items()}
    found = comparison_of(runs, layers=layers, force=force)
    return replace(found, layout=layout)


def comparison_of(
    runs: Runs,
    *,
    layers: Sequence[str] | None = None,
    gaps: Mapping[str, str] | None = None,
    force: bool = False,
) -> Comparison:
    """A comparison of results in memory.

    If every run has a single layer, they share one column, whatever the
    layers' names. All runs are reported at the shares of the first.

    Args:
        runs (mapping): By name, then by layer; in drawing order.
        layers (sequence of str, optional): Only these keys; None for all.
        gaps (mapping, optional): Why a run has no results, by name.
        force (bool): Compare even if definitions differ.

    Raises:
        ConfigError: If there is nothing to compare, a layer is in no run, or
            definitions differ and ``force`` is not set.
    """
    known = list(dict.fromkeys(la for run in runs.values() for la in run))
    if not known:
        raise ConfigError('there is nothing to compare: no run has a result')
    for layer in layers or ():
        if layer not in known:
            raise ConfigError(
                f'no run has a layer {layer!r}; they have {", ".join(known)}'
            )
    chosen = list(layers or known)
    kept = {
        name: {la: run[la] for la in chosen if la in run}
        for name, run in runs.items()
    }
    if len(chosen) > 1 and all(len(run) <= 1 for run in kept.values()):
        kept = {
            _with_layer(name, run): dict.fromkeys(
                [''][: len(run)], *run.values()
            )
            for name, run in kept.items()
        }
        chosen = ['']
    flat = by_run_and_layer(kept)
    check_same_definition(flat, force)
    shares = next(iter(flat.values())).shares
    return Comparison(
        {
            name: {
                la: r if r.shares == shares else replace(r, shares=shares)
                for la, r in run.items()
            }
            for name, run in kept.items()
        },
        chosen,
        {n: 'no result' for n in runs if not runs[n]} | dict(gaps or {}),
    )


def by_run_and_layer(runs: Runs) -> dict[str, ERFResult]:
    """Every result by the name ``'run: layer'``."""
    return {
        f'{name}: {layer}': result
        for name, run in runs.items()
        for layer, result in run.items()
    }


def _with_layer(name: str, run: Mapping[str, ERFResult]) -> str:
    return ': '.join((name, *run))


def write_comparison(
    comparison: Comparison,
    out: str | os.PathLike,
    *,
    title: str | None = None,
    **look: Any,
) -> list[Path]:
    """Write the figure, and tables of the same numbers beside it.

    Args:
        comparison (Comparison): What to show.
        out: The figure: ``.png``, ``.pdf`` or ``.svg``. The tables have its
            name and end in ``.md``, ``.csv``, ``.tex`` and ``.areas.tex``.
        title (str, optional): Over the figure.
        **look: How the figure looks: attributes of
            ``mmerf.plots.drawing.look.Look``.

    Returns:
        list[Path]: The files, the figure first.

    Raises:
        ConfigError: If the suffix or a setting of the look is unknown, the
            title is a formula that cannot be drawn, or a table would replace
            another file.
    """
    path = check_figure_path(out)
    Look(**look)
    check_title(title)
    check_tables(path)
    figure = comparison.draw(title, **look)
    files = [save_figure(figure, path)]
    rows = comparison.rows()
    for suffix, write in TABLES.items():
        files.append(write_text(path.with_suffix(suffix), write(rows)))
    return files


def check_figure_path(out: str | os.PathLike) -> Path:
    """Raise ConfigError unless a path ends in .png, .pdf or .svg."""
    path = Path(out)
    if path.suffix not in ('.png', '.pdf', '.svg'):
        raise ConfigError(
            f'{one_line(path)} is no name for a figure; let it end in .png, '
            '.pdf or .svg'
        )
    check_file_name(path)
    if os.path.isdir(path):
        raise ConfigError(f'{path} is a folder; name a file')
    return path
