"""Several processes, each with some of the images: one measurement."""

from __future__ import annotations

import atexit
import functools
import time

import numpy as np
import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    get_rank,
    get_world_size,
)

from ..core.errors import ERFError, MeasurementError
from ..core.measurement import Measurement


def gathered(
    measurement: Measurement, failure: Exception | None
) -> list[Exception]:
    """Merge every rank's measurement into each rank's own.

    Every rank calls this, also one that failed or had no image, so that none
    waits for ever. Where one failed, nothing is merged.

    Args:
        measurement (Measurement): This rank's.
        failure (Exception, optional): What this rank failed with.

    Returns:
        list[Exception]: The failures of all ranks, the own one first.
    """
    failures = [] if failure is None else [failure]
    if get_world_size() == 1:
        return failures
    wait_at_exit()
    every = all_gather_object(_portable(failure))
    failures += [
        _told(rank, other)
        for rank, other in enumerate(every)
        if other is not None and rank != get_rank()
    ]
    if not failures:
        measurement.reduce(all_gather_object, _summed)
    return failures


@functools.cache
def wait_at_exit() -> None:
    """Give the threads of an exchange a moment before the process ends.

    gloo's may still hold its last tensors; one that needs the interpreter to
    let go of them, when that is already ending, aborts the process, or with
    older torch waits for ever (pytorch#179291).
    """
    atexit.register(time.sleep, 0.5)


def _summed(array: np.ndarray) -> np.ndarray:
    """The sum of all ranks' arrays, float64."""
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    all_reduce(tensor)
    return tensor.numpy()


def _portable(failure: Exception | None) -> Exception | str | None:
    """A failure that pickles: mmerf's own as it is, others as text."""
    if failure is None or isinstance(failure, ERFError):
        return failure
    return f'{type(failure).__name__}: {failure}'


def _told(rank: int, failure: Exception | str) -> Exception:
    if isinstance(failure, str):
        return MeasurementError(f'rank {rank}: {failure}')
    return failure
