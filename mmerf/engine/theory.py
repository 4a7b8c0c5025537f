"""Theoretical receptive fields of a measurement's layers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from ..core.batch import Forward
from ..core.measurement import Measurement
from ..core.theory.search import find_theory
from ..core.theory.theory import Theory, missing_notes
from .batches.prepare_batch import prepare_tensor


def add_theory(measurement: Measurement) -> list[str]:
    """Find the theoretical field of every measured layer, once.

    Args:
        measurement (Measurement): After its first batch; gets ``theory``.

    Returns:
        list[str]: Which layers have none, and why, such as a model that runs
        at one size only; the measurement is complete without.
    """

    def make_forward(copy: nn.Module) -> Forward:
        def forward(images: Tensor, positions: Sequence[int]) -> Any:
            batch = prepare_tensor(copy, images, measurement.layers)
            return batch.forward(batch.inputs, positions)

        return forward

    channels, *size = measurement.input_shape
    if measurement.joined is not None:
        why = 'the data preprocessor gives several inputs; use measure_erf'
        measurement.theory = Theory(reason=why)
        return missing_notes(measurement.theory_of, measurement.accumulators)
    with measurement.passes.switched_off.applied():
        measurement.theory = find_theory(
            measurement.model,
            measurement.scored.layers,
            make_forward,
            (size[0], size[1]),
            channels,
            measurement.target.unit,
        )
    return missing_notes(measurement.theory_of, measurement.accumulators)


class TheoryCache:
    """Theoretical fields, found once per run: training changes none."""

    def __init__(self) -> None:
        self._found: Theory | None = None

    def add_to(self, measurement: Measurement) -> None:
        """Set a measurement's ``theory``; the first time, log the seconds."""
        if self._found is None and measurement.input_shape:
            began = time.perf_counter()
            notes = add_theory(measurement)
            took = f'took {time.perf_counter() - began:.1f} s, once per run'
            for text in [f'the theoretical fields {took}', *notes]:
                print_log(f'ERFHook: {text}', logger='current')
            self._found = measurement.theory
        measurement.theory = self._found
