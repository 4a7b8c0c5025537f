"""The maps of trainings, step by step, as an animation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.atomic_files import check_file_name
from ...core.results.erf_result import ERFResult
from ...plots.animation import check_animation, save_animation
from ...plots.comparison import plot_comparison
from ...plots.drawing.look import Look
from ...plots.drawing.style import check_title
from ...plots.drawing.view import common_view
from .comparison import by_run_and_layer, comparison_of
from .read_runs import read_history, read_run, runs_by_name


def write_animation(
    specs: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    names: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    title: str | None = None,
    force: bool = False,
    **look: Any,
) -> list[Path]:
    """Draw the maps of trainings at every step, one frame per step.

    All frames show as many pixels about the unit. A training that was not
    measured at a step of another one keeps its last maps.

    Args:
        specs (sequence): ``erf`` folders of trainings' ``vis_data``.
        out: The animation: ``.gif`` or ``.mp4``.
        names (sequence of str, optional): Names of the trainings.
        layers (sequence of str, optional): Only these keys; None for all.
        title (str, optional): Over every frame, before its step.
        force (bool): Draw even if definitions differ.
        **look: How frames look: attributes of
            ``mmerf.plots.drawing.look.Look``.

    Returns:
        list[Path]: The animation.

    Raises:
        ConfigError: If a training or layer does not exist, a setting is
            wrong, definitions differ and ``force`` is not set, or ffmpeg is
            needed and not found.
        ResultError: If a file is damaged.
    """
    path = check_animation(out)
    check_file_name(path)
    check_title(title)
    Look(**look)
    folders = runs_by_name(specs, names)
    measured = {
        name: sorted({record['step'] for record in read_history(spec)})
        for name, spec in folders.items()
    }
    every = {
        f'{name}, step {step}': read_run(f'{folders[name]}@{step}')
        for name, steps in measured.items()
        for step in steps
    }
    whole = comparison_of(every, layers=layers, force=force)
    view = common_view(by_run_and_layer(whole.runs).values())
    head = f'{title}, ' if title else ''
    figures = (
        plot_comparison(
            _runs_at(step, measured, whole.runs),
            layers=whole.layers,
            title=f'{head}step {step}',
            view=view,
            gaps=dict.fromkeys(measured, 'not measured yet'),
            **look,
        )[0]
        for step in sorted({s for steps in measured.values() for s in steps})
    )
    return [save_animation(figures, path)]


def _runs_at(
    step: int,
    measured: Mapping[str, Sequence[int]],
    every: Mapping[str, Mapping[str, ERFResult]],
) -> dict[str, Mapping[str, ERFResult]]:
    """Each training's results at its last step so far."""
    found: dict[str, Mapping[str, ERFResult]] = {}
    for name, steps in measured.items():
        past = [other for other in steps if other <= step]
        found[name] = every[f'{name}, step {past[-1]}'] if past else {}
    return found
