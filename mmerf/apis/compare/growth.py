"""Sides and ERF size over the steps of trainings, as a figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from ...core.results.provenance import check_same_definition
from ...plots import plot_growth, save_figure
from ...plots.drawing.style import check_title
from .comparison import check_figure_path
from .read_runs import read_history, runs_by_name


def write_growth(
    specs: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    names: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    title: str | None = None,
    width: str = 'page',
    force: bool = False,
) -> list[Path]:
    """Draw sides and size by step: one column per training, a line per layer.

    Args:
        specs (sequence): ``erf`` folders of trainings' ``vis_data``.
        out: The figure: ``.png``, ``.pdf`` or ``.svg``.
        names (sequence of str, optional): Names of the trainings.
        layers (sequence of str, optional): Only these keys; None for all.
        title (str, optional): Over the figure.
        width (str): ``'page'`` or ``'column'`` of a paper.
        force (bool): Draw even if definitions differ.

    Returns:
        list[Path]: The figure.

    Raises:
        ConfigError: If a training or layer does not exist, the title is a
            formula that cannot be drawn, or definitions differ and
            ``force`` is not set.
        ResultError: If a file is damaged.
    """
    path = check_figure_path(out)
    check_title(title)
    histories = {
        name: read_history(spec)
        for name, spec in runs_by_name(specs, names).items()
    }
    check_same_definition(
        {
            f'{name}, step {r["step"]}, {r["layer"]}': SimpleNamespace(
                definition=r.get('definition') or {}
            )
            for name, history in histories.items()
            for r in history
        },
        force,
    )
    figure, _ = plot_growth(histories, layers=layers, title=title, width=width)
    return [save_figure(figure, path)]
