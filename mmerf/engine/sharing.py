"""Bring what every rank measured together."""

from __future__ import annotations

from mmengine.dist import all_gather_object, get_rank, get_world_size

from ..core.errors import ERFError, MeasurementError
from ..core.measurement import Measurement


def gather(
    measurement: Measurement, failure: Exception | None
) -> list[Exception]:
    """Merge every rank's measurement into each rank's own.

    Every rank calls this, also one that failed or had no image, so that none
    waits for ever.

    Args:
        measurement (Measurement): This rank's; afterwards that of all ranks.
        failure (Exception, optional): What this rank failed with.

    Returns:
        list[Exception]: The failures of all ranks, the own one first.
    """
    if get_world_size() == 1:
        return [] if failure is None else [failure]
    told = None if failure is None else (type(failure).__name__, str(failure))
    own = isinstance(failure, ERFError)
    every = all_gather_object(
        {
            'failure': failure if own else told,
            'state': None if failure else measurement.state(),
        }
    )
    failures = [] if failure is None else [failure]
    for rank, entry in enumerate(every):
        found = entry['failure']
        if found is None or rank == get_rank():
            continue
        failures.append(
            found
            if isinstance(found, Exception)
            else MeasurementError(f'rank {rank}: {found[0]}: {found[1]}')
        )
    if not failures:
        measurement.set_states([entry['state'] for entry in every])
    return failures
