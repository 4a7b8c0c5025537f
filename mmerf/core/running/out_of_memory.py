"""Where memory runs out: smaller passes, after the failed one is freed.

The frames of a failed pass's traceback could keep a whole graph alive.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..errors import MeasurementError

# Messages of allocators that have no exception type of their own.
_OUT_OF_MEMORY = ('out of memory', "can't allocate memory", 'alloc_failed')


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on any device.

    Example:
        >>> is_out_of_memory(RuntimeError('CUBLAS_STATUS_ALLOC_FAILED'))
        True
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        message in text for message in _OUT_OF_MEMORY
    )


def free_traceback(error: BaseException) -> None:
    """Release all objects that an exception and its causes keep alive."""
    chain: BaseException | None = error
    while chain is not None:
        traceback.clear_frames(chain.__traceback__)
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__


@contextmanager
def out_of_memory_ends() -> Iterator[None]:
    """Turn MemoryError into an error that ends the measurement: no retry.

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
            must add nothing to the results if it raises.
        count (int): Images in all.
        step (int, optional): Most images in a pass; None for all.

    Returns:
        int, optional: ``step``, or the smaller number that fitted memory.

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
