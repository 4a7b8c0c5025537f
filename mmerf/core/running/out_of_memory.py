"""Where memory runs out: smaller passes, and nothing of the failed one kept.

A pass that failed is freed before the next one starts: the frames of its
traceback could keep a whole graph alive.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..errors import MeasurementError

# What allocators without an exception type of their own say.
_OUT_OF_MEMORY = ('out of memory', "can't allocate memory", 'alloc_failed')


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device.

    Example:
        >>> is_out_of_memory(RuntimeError('CUBLAS_STATUS_ALLOC_FAILED'))
        True
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said for words in _OUT_OF_MEMORY
    )


def free_traceback(error: BaseException) -> None:
    """Let go of all that an exception, and what caused it, keeps alive."""
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__


@contextmanager
def not_retried() -> Iterator[None]:
    """Make running out of memory inside an error that ends a measurement.

    Raises:
        MeasurementError: In place of MemoryError.
    """
    try:
        yield
    except MemoryError as error:
        raise MeasurementError(
            f'out of memory while adding a map: {error}'
        ) from None


def run_in_halving_passes(
    measure: Callable[[slice], None], count: int, step: int | None
) -> int | None:
    """Measure images in passes; where memory runs out, in halves of them.

    Args:
        measure (callable): ``measure(part)`` runs the images of a slice; it
            adds nothing where it raises.
        count (int): Images in all.
        step (int, optional): Most images in a pass; None for all.

    Returns:
        int, optional: ``step``, or the smaller one that memory allowed.

    Raises:
        Exception: What ``measure`` raised, unless memory ran out in a pass
            of several images.

    Example:
        >>> def measure(part):
        ...     if part.stop - part.start > 2:
        ...         raise MemoryError
        ...     print(part.start, part.stop)
        >>> run_in_halving_passes(measure, 5, None)
        0 2
        2 4
        4 5
        2
    """
    start = 0
    while start < count:
        stop = count if step is None else min(start + step, count)
        try:
            measure(slice(start, stop))
        except Exception as error:
            if stop - start == 1 or not is_out_of_memory(error):
                raise
            step = (stop - start) // 2
        else:
            start = stop
            continue
        gc.collect()  # a frame may keep its own exception, in a cycle
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
    return step
