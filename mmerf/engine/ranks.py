"""One measurement from several processes, each with some of the images."""

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


def gather_failures(failure: Exception | None) -> list[Exception]:
    """The failures of all ranks.

    Every rank calls this, also one that failed or had no image, so that none
    waits for ever.

    Args:
        failure (Exception, optional): What this rank failed with.

    Returns:
        list[Exception]: The own one first; empty where no rank failed.
    """
    failures = [] if failure is None else [failure]
    if get_world_size() == 1:
        return failures
    wait_at_exit()
    every = all_gather_object(_picklable(failure))
    return failures + [
        _as_exception(other, rank)
        for rank, other in enumerate(every)
        if other is not None and rank != get_rank()
    ]


def merge_over_ranks(measurement: Measurement) -> None:
    """Merge every rank's measurement into each rank's own.

    Every rank calls this, after ``gather_failures`` found none.

    Args:
        measurement (Measurement): This rank's.
    """
    if get_world_size() > 1:
        measurement.reduce(all_gather_object, _sum_over_ranks)


@functools.cache
def wait_at_exit() -> None:
    """Give gloo's threads a moment before the process ends.

    They may still hold the last tensors of an exchange. Freeing those while
    the interpreter is ending aborts the process, or with older torch waits
    for ever (pytorch#179291).
    """
    atexit.register(time.sleep, 0.5)


def _sum_over_ranks(array: np.ndarray) -> np.ndarray:
    """The sum of all ranks' arrays, float64."""
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    all_reduce(tensor)
    return tensor.numpy()


def _picklable(failure: Exception | None) -> Exception | str | None:
    """A failure as it can be sent: mmerf's own as it is, others as text."""
    if failure is None or isinstance(failure, ERFError):
        return failure
    return f'{type(failure).__name__}: {failure}'


def _as_exception(failure: Exception | str, rank: int) -> Exception:
    """Another rank's failure, with the rank's number where it came as text."""
    if isinstance(failure, str):
        return MeasurementError(f'rank {rank}: {failure}')
    return failure
