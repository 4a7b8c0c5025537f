"""A finished result from what a measurement has gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import uncertainty
from .accumulate import Accumulator
from .gathering import varies
from .provenance import versions
from .result import ERFResult

if TYPE_CHECKING:
    from .measurement import Measurement


def result_of(
    measurement: Measurement,
    key: str,
    accumulator: Accumulator,
    provenance: Mapping,
) -> ERFResult:
    """The result of one key.

    Args:
        measurement (Measurement): That measured it.
        key (str): The layer's, with a class where there is one.
        accumulator (Accumulator): With at least one image.
        provenance (mapping): To store with it.
    """
    gathered = accumulator.compute()
    grids = measurement.grids[key]
    grid = next(iter(grids)) if len(grids) == 1 else None
    unit = getattr(measurement.target, 'unit', None)
    sizes = tuple((*s, n) for s, n in sorted(accumulator.sizes.items()))
    erf = measurement.kind == 'erf'
    at_unit = erf and not hasattr(measurement.target, 'aligned_at')
    return ERFResult(
        map=gathered.map,
        layer=key,
        unit_pixel=gathered.pixel,
        unit=unit(grid) if at_unit and unit and grid else None,
        grid=grid.size if grid else None,
        stride=grid.stride if grid else None,
        pixel_known=all(g.known for g in grids),
        num_images=accumulator.count,
        zero_score_images=accumulator.zero_score_images,
        absent_images=accumulator.absent,
        units=accumulator.units,
        zero_score_units=accumulator.zero_score_units,
        kind=measurement.kind,
        excluded=tuple(accumulator.excluded),
        sizes=sizes,
        stderr=gathered.stderr,
        coverage=gathered.coverage if varies(gathered.coverage) else None,
        theory=measurement.theory.get(key.split(':')[0]) if at_unit else None,
        uncertainty=uncertainty.summary(
            accumulator.profiles, measurement.shares
        )
        if erf
        else {},
        definition=measurement.definition(),
        shares=measurement.shares,
        provenance={
            **versions(),
            'run_on': measurement.passes.words.get(key.split(':')[0]),
            **_deviation(measurement, key),
            **provenance,
        },
    )


def _deviation(measurement: Measurement, key: str) -> dict:
    if measurement.deviation is None:
        return {}
    found = measurement.deviation.of(key, measurement.shares)
    return {'deviation_from_float32': found}
