"""Notes on a run: what its user should know, one sentence per note."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..core.aggregate.batch_maps import (
    absent_everywhere,
    excluded_images,
    without_finite_map,
)
from ..core.errors import printable, shortened
from ..core.layers.defaults import default_layers
from ..core.measurement import Measurement
from ..core.results.erf_result import ERFResult
from .stopping import ToleranceStop


def run_notes(
    measurement: Measurement, stop: ToleranceStop | None = None
) -> list[str]:
    """Notes on the passes and the images that were measured.

    Args:
        measurement (Measurement): After its last image.
        stop (ToleranceStop, optional): What chose the number of images.
    """
    notes = [f'run on {measurement.passes.summary}']
    if without := str(measurement.passes.switched_off):
        notes.append(f'measured without {without}')
    if measurement.input_kind != 'whole image':
        notes.append(f'measured on {measurement.input_kind}')
    if stop is not None:
        notes.append(stop.summary(measurement))
    return notes


def default_layers_notes(
    model: nn.Module, layers: Any, results: Collection[str]
) -> list[str]:
    """Which layers were chosen where none was named, and why."""
    if layers is not None:
        return []
    default = default_layers(model)
    if default.names == ['backbone', 'decode_head']:
        return []  # as the documentation says
    passed = [
        name
        for name in default.names
        if not any(re.split(r'[\[@:]', key)[0] == name for key in results)
    ]
    kept = [name for name in default.names if name not in passed]
    notes = [f'layers by default ({default.reason}): {", ".join(kept)}']
    if passed:
        notes.append(f'passed over, without a map: {", ".join(passed)}')
    return notes


def result_warnings(
    measurement: Measurement, results: Mapping[str, ERFResult]
) -> list[str]:
    """What is missing of the results: images, maps, scores."""
    return [
        *missing_maps(measurement),
        *(
            f'{key}: left out as not finite: {", ".join(names[:5])}'
            for key, names in excluded_images(measurement.accumulators).items()
        ),
        *zero_notes(results),
    ]


def missing_maps(measurement: Measurement) -> list[str]:
    """Layers and classes without a map, and why."""
    found = without_finite_map(measurement.accumulators)
    absent = absent_everywhere(measurement.accumulators)
    return [*(f'{k}: {why}' for k, why in found.items()), *absent.values()]


def skipped_reasons(skipped: Mapping[str, str]) -> str:
    """Why images were left out, each reason once.

    Example:
        >>> skipped_reasons({'a.png': 'damaged', 'b.png': 'damaged'})
        'a.png and 1 more: damaged'
    """
    paths: dict[str, list[str]] = {}
    for path, reason in skipped.items():
        paths.setdefault(reason, []).append(path)
    sentences = [
        f'{first}{f" and {len(more)} more" if more else ""}: {reason}'
        for reason, (first, *more) in paths.items()
    ]
    return shortened('; '.join(sentences), 400)


def zero_notes(results: Mapping[str, ERFResult]) -> list[str]:
    """Notes on zero scores, and how to avoid them."""
    notes = []
    for layer, result in results.items():
        if result.units > result.num_images and result.zero_score_units:
            where = f'{result.zero_score_units} of {result.units} unit(s)'
        elif result.zero_score_images:
            where = f'{result.zero_score_images} of {result.num_images}'
            where = f'the unit in {where} image(s)'
        else:
            continue
        if 'relu' in result.definition.get('score', 'relu'):
            notes.append(
                f'{layer}: no channel was positive at {where}, which count '
                "as zero maps; target=dict(type='CentreUnit', relu=False) "
                'scores them too'
            )
        else:
            notes.append(
                f'{layer}: the score was zero at {where}, which count as '
                'zero maps'
            )
    return notes


def checkpoint_notes(checkpoint: Any, loaded: Mapping) -> list[str]:
    """Notes on the weights: which were loaded, which keep initial values.

    Args:
        checkpoint: As the caller gave it.
        loaded (mapping): What ``build_model`` returned.
    """
    notes = []
    if checkpoint is None:
        notes.append(
            "no checkpoint: measured at the config's own initial weights"
        )
    else:
        notes += _loaded_notes(loaded)
    notes += loaded.get('pretrained', [])
    if names := loaded.get('not_fetched'):
        notes.append(
            'pretrained weights are not fetched, so what they would fill is '
            f'random: {shortened(", ".join(dict.fromkeys(names)), 300)}'
        )
    return notes


def _loaded_notes(loaded: Mapping) -> list[str]:
    notes = list(loaded.get('notes', []))
    kept = loaded.get('kept', {})
    if kept:
        name = printable(Path(loaded['path']).name)
        parts = [f'{k} ({n} weights)' for k, n in loaded['filled'].items()]
        more = f' and {len(parts) - 5} more' if len(parts) > 5 else ''
        notes.append(f'filled {", ".join(parts[:5])}{more} of {name}')
    initial = 'initial' if loaded.get('pretrained') else 'random'
    parts = [
        f'{part} ({number} weight{"s"[: number > 1]}) keep'
        f'{"s"[: number == 1]} {initial} values'
        for part, number in kept.items()
    ]
    notes += parts[:5]
    if len(parts) > 5:
        notes.append(f'so do {len(parts) - 5} more parts')
    return notes + [
        f'{len(loaded[kind])} weight(s) {kind} in the checkpoint, first '
        f'{", ".join(loaded[kind][:5])}'
        for kind in ('missing', 'unexpected', 'reshaped')
        if loaded[kind]
    ]


def deviation_notes(results: Mapping[str, ERFResult]) -> list[str]:
    """Notes on how far reduced precision moved the maps and the sides."""
    deviations = {
        key: deviation
        for key, result in results.items()
        if (deviation := result.provenance.get('deviation_from_float32'))
    }
    if not deviations:
        return []
    layer, worst = max(deviations.items(), key=lambda item: item[1]['map'])
    sides = [v for d in deviations.values() for v in d['side'].values() if v]
    first = next(iter(results.values()))
    return [
        f'{first.definition["precision"]} moved maps by up to '
        f'{worst["map"]:.1%} of the peak ({layer}) and sides by up to '
        f'{max(sides, default=0.0):.1%}, on {worst["images"]} image(s)'
    ]
