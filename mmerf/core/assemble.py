"""Builds results from what a measurement accumulated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from .aggregate.accumulator import Accumulator
from .aggregate.batch_maps import is_uneven
from .aggregate.jackknife import uncertainty_of
from .attributions.base import Attribution
from .batch import JoinedInputs
from .grid.coordinates import Grid
from .options import MeasurementOptions
from .results.erf_result import ERFResult
from .targets.base import Target
from .theory.theory import FieldAndReason, held_against


def assemble_results(
    accumulators: Mapping[str, Accumulator],
    grids: Mapping[str, Collection[Grid]],
    theory_of: Callable[[str], FieldAndReason],
    measured: tuple[Target, Attribution, MeasurementOptions],
    definition_of: Callable[[str], Mapping[str, str]],
    provenance_of: Callable[[str], Mapping],
) -> dict[str, ERFResult]:
    """The results of every key that holds an image.

    Args:
        accumulators, grids (mapping): By key.
        theory_of, definition_of, provenance_of (callable): Give a key's own.
        measured (tuple): Target, attribution and options.
    """
    return {
        key: assemble_result(
            key,
            accumulator,
            grids[key],
            theory_of(key),
            *measured,
            definition_of(key),
            provenance_of(key),
        )
        for key, accumulator in accumulators.items()
        if accumulator.count
    }


def assemble_result(
    key: str,
    accumulator: Accumulator,
    grids: Collection[Grid],
    theory: FieldAndReason,
    target: Target,
    attribution: Attribution,
    options: MeasurementOptions,
    definition: Mapping[str, str],
    provenance: Mapping,
) -> ERFResult:
    """The result of one key.

    Args:
        key (str): The layer's key, or ``'layer:class'``.
        accumulator (Accumulator): Holds at least one image.
        grids (collection of Grid): The layer's grids; several if images
            differ in size.
        theory (tuple): The layer's theoretical field, or None, and why it is
            missing or a bound, or None; the reason joins the provenance.
        target (Target): What was scored.
        attribution (Attribution): How maps were made.
        options (MeasurementOptions): Gives the shares.
        definition, provenance (mapping): Stored with the result.
    """
    gathered = accumulator.compute()
    grid = next(iter(grids)) if len(grids) == 1 else None
    sizes = tuple((*s, n) for s, n in sorted(accumulator.sizes.items()))
    erf = attribution.kind == 'erf'
    at_unit = erf and target.at_unit
    shares = tuple(options.shares)
    pixel_known = all(g.known for g in grids)
    if attribution.windowed:  # an input gradient
        theory = held_against(
            theory, gathered.map, gathered.pixel, pixel_known
        )
    field, why = theory
    known = {} if why is None else {'theory': why}
    return ERFResult(
        map=gathered.map,
        layer=key,
        unit_pixel=gathered.pixel,
        unit=target.unit(grid) if at_unit and grid else None,
        grid=grid.size if grid else None,
        stride=grid.stride if grid else None,
        pixel_known=pixel_known,
        num_images=accumulator.count,
        zero_score_images=accumulator.zero_score_images,
        absent_images=accumulator.absent,
        units=accumulator.units,
        zero_score_units=accumulator.zero_score_units,
        kind=attribution.kind,
        excluded=tuple(accumulator.excluded),
        sizes=sizes,
        stderr=gathered.stderr,
        coverage=gathered.coverage if is_uneven(gathered.coverage) else None,
        theory=field if at_unit else None,
        uncertainty=uncertainty_of(accumulator.profiles, shares)
        if erf
        else {},
        definition=dict(definition),
        shares=shares,
        provenance={**provenance, **known},
    )


def define(
    target: Target, attribution: Attribution, input_kind: str, amp: str | None
) -> dict[str, str]:
    """Descriptions of score, attribution, input, average and precision."""
    where = target.aligned_at if attribution.kind == 'erf' else 'their middle'
    return {
        'score': target.definition,
        'map': attribution.definition,
        'input': input_kind,
        'average': f'mean over images, aligned at {where}',
        'precision': amp or 'float32',
    }


def described_input(kind: str, joined: JoinedInputs | None, name: str) -> str:
    """Which input of several a map is of.

    Args:
        kind (str): Description of the inputs.
        joined (JoinedInputs, optional): The inputs, if there are several.
        name (str): The input's; empty for a map of all of them.
    """
    if joined is None:
        return kind
    names = ', '.join(joined.channels)
    if not name:
        return f'{kind}, inputs {names} together'
    return f'{kind}, input {name}' + (f' of {names}' if names != name else '')
