"""Notes on several runs: each once, with the runs that it is about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.results.erf_result import ERFResult
from ..erf import ERFRun


def notes_of_runs(
    runs: Mapping[str, ERFRun],
) -> tuple[list[str], list[str]]:
    """Every run's notes and skipped images.

    Args:
        runs (mapping): By name.

    Returns:
        tuple[list[str], list[str]]: All of them, and those that warn; a note
        that not every run has begins with the names of those that have it.
    """
    notes: dict[str, list[str]] = {}
    warning: set[str] = set()
    for name, run in runs.items():
        skipped = [f'skipped {path}: {y}' for path, y in run.skipped.items()]
        warning |= {*skipped, *run.warnings}
        for note in [*skipped, *run.notes]:
            notes.setdefault(note, []).append(name)
    sentences = {
        note: note
        if len(names) == len(runs)
        else f'{"; ".join(names)}: {note}'
        for note, names in notes.items()
    }
    warnings = [text for note, text in sentences.items() if note in warning]
    return list(sentences.values()), warnings


def same_maps(name: str, runs: Mapping[str, ERFRun]) -> list[str]:
    """A note if an earlier run has exactly the maps of this one."""
    own = {la: r.map for la, r in runs[name].results.items()}
    if not any(map_hw.any() for map_hw in own.values()):
        return []  # zero maps may have different causes
    for other, run in runs.items():
        theirs = {la: r.map for la, r in run.results.items()}
        if (
            other != name
            and own.keys() == theirs.keys()
            and all(np.array_equal(own[la], theirs[la]) for la in own)
        ):
            return [
                f'every map is identical to that of {other}: what differs is '
                'not read, comes after these layers, or means the same'
            ]
    return []


def unchanged_layers(runs: Mapping[str, ERFRun]) -> list[str]:
    """Layers that have the same map in every run, to 1e-6 of its peak.

    None of them if that is so for all layers, or there is one run.
    """
    first, *others = (run.results for run in runs.values())
    same = [
        layer
        for layer, result in first.items()
        if others
        and all(_same_field(result, run.get(layer)) for run in others)
    ]
    every = {layer for run in (first, *others) for layer in run}
    return same if len(same) < len(every) else []


def _same_field(one: ERFResult, other: ERFResult | None) -> bool:
    if other is None or one.map.shape != other.map.shape:
        return False
    apart = np.abs(one.map - other.map).max()
    return one.center == other.center and apart <= 1e-6 * one.map.max()
