"""What a user should know of a run, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import shortened
from ..core.measurement import Measurement
from ..core.results.erf_result import ERFResult
from .stopping import ToleranceStop


def run_notes(
    measurement: Measurement,
    checkpoint: Any,
    loaded: Mapping,
    stop: ToleranceStop | None = None,
) -> list[str]:
    """What is known once the images were measured.

    Args:
        measurement (Measurement): With its images.
        checkpoint: As the caller gave it.
        loaded (mapping): What ``load_checkpoint`` found.
        stop (ToleranceStop, optional): By which the number of images was
            chosen.
    """
    notes = checkpoint_notes(checkpoint, loaded)
    notes.append(f'run on {measurement.passes.summary}')
    if measurement.input_kind != 'whole image':
        notes.append(f'measured on {measurement.input_kind}')
    notes += [f'{k}: {why}' for k, why in measurement.failures().items()]
    notes += measurement.absent().values()
    if stop is not None:
        notes.append(stop.summary(measurement))
    return notes


def result_notes(
    measurement: Measurement, results: Mapping[str, ERFResult]
) -> list[str]:
    """What is known of finished results: images left out, zeros, precision."""
    return [
        *(
            f'{key}: left out as not finite: {", ".join(names[:5])}'
            for key, names in measurement.excluded().items()
        ),
        *zero_notes(results),
        *deviation_notes(results),
    ]


def skipped_reasons(skipped: Mapping[str, str]) -> str:
    """Why images were left out, each reason once.

    Example:
        >>> skipped_reasons({'a.png': 'damaged', 'b.png': 'damaged'})
        'a.png and 1 more: damaged'
    """
    paths: dict[str, list[str]] = {}
    for path, reason in skipped.items():
        paths.setdefault(reason, []).append(path)
    told = [
        f'{first}{f" and {len(more)} more" if more else ""}: {reason}'
        for reason, (first, *more) in paths.items()
    ]
    return shortened('; '.join(told), 400)


def zero_notes(results: Mapping[str, ERFResult]) -> list[str]:
    """Say which maps hold zeros, and how to avoid that."""
    notes = []
    for layer, result in results.items():
        if result.units > result.num_images and result.zero_score_units:
            where = f'{result.zero_score_units} of {result.units} unit(s)'
        elif result.zero_score_images:
            where = f'{result.zero_score_images} of {result.num_images}'
            where = f'the unit in {where} image(s)'
        else:
            continue
        notes.append(
            f'{layer}: no channel was positive at {where}, which count as '
            "zero maps; target=dict(type='CentreUnit', relu=False) scores "
            'them too'
        )
    return notes


def checkpoint_notes(checkpoint: Any, loaded: Mapping) -> list[str]:
    """Say what was measured without a checkpoint, or does not fit in one."""
    if checkpoint is None:
        return [
            "no checkpoint: measured at the config's own initial weights "
            '(nothing was fetched; pretrained parts are random)'
        ]
    return [
        f'{len(loaded[kind])} weight(s) {kind} in the checkpoint, first '
        f'{", ".join(loaded[kind][:5])}'
        for kind in ('missing', 'unexpected', 'reshaped')
        if loaded[kind]
    ]


def deviation_notes(results: Mapping[str, ERFResult]) -> list[str]:
    """Say how far reduced precision moved the maps and the sides."""
    told = {
        key: found
        for key, result in results.items()
        if (found := result.provenance.get('deviation_from_float32'))
    }
    if not told:
        return []
    layer, worst = max(told.items(), key=lambda item: item[1]['map'])
    sides = [v for d in told.values() for v in d['side'].values() if v]
    first = next(iter(results.values()))
    return [
        f'{first.definition["precision"]} moved maps by up to '
        f'{worst["map"]:.1%} of the peak ({layer}) and sides by up to '
        f'{max(sides, default=0.0):.1%}, on {worst["images"]} image(s)'
    ]
