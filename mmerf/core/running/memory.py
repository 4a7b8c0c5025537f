"""How many images fit into memory, and what to do where they do not.

The frames of a failed pass's traceback could keep a whole graph alive.
"""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..aten import hands_out
from ..errors import MeasurementError

FIRST_IMAGES = 8  # images of the first pass, whose memory is then known
MOST_IMAGES = 32  # images of a pass; more gain nothing
FREE_SHARE = 0.5  # of the free memory that a pass may take
PASS_OVER_GRAPH = 2.0  # memory of a pass over what its graph keeps
NO_HOOKS = 'saved tensor hooks'  # in errors where code does not allow them
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


class SavedStorages:
    """Storages that autograd graphs keep for their backward passes.

    Attributes:
        sizes (dict[int, int]): Each one's bytes, by its address.
    """

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}

    @property
    def total(self) -> int:
        """Bytes in all; a storage that several tensors share counts once."""
        return sum(self.sizes.values())

    def add(self, tensor: Tensor) -> tuple[Tensor, int]:
        """Count a tensor's storage; return the tensor, detached, and version.

        A tensor that its own graph keeps would never be freed. One without
        a storage, such as a sparse one, counts nothing.
        """
        storage = plain_storage(tensor)
        if storage is None:
            return tensor.detach(), tensor._version
        self.sizes[storage.data_ptr()] = storage.nbytes()
        with torch._C._DisableTorchDispatch():  # no operation of the model
            return tensor.detach(), tensor._version

    @staticmethod
    @hands_out
    def given_back(kept: tuple[Tensor, int]) -> Tensor:
        """A tensor that was kept, for the backward pass.

        Autograd itself checks no versions where such hooks are.

        Raises:
            RuntimeError: If it has been changed in place, as autograd does.
        """
        tensor, version = kept
        if tensor._version != version:
            raise RuntimeError(
                'one of the variables needed for gradient computation has '
                'been modified by an inplace operation'
            )
        return tensor


def plain_storage(tensor: Tensor) -> torch.UntypedStorage | None:
    """A tensor's storage; None of a sparse, meta or wrapped one."""
    plain = type(tensor) in (Tensor, torch.nn.Parameter)
    there = tensor.layout == torch.strided and tensor.device.type != 'meta'
    return tensor.untyped_storage() if plain and there else None


@contextmanager
def counted(saved: SavedStorages | None) -> Iterator[None]:
    """Count what the graphs that are built inside the context keep.

    Args:
        saved (SavedStorages, optional): Gets it; None counts nothing.

    Example:
        >>> image = torch.zeros(3, 100, requires_grad=True)
        >>> with counted(saved := SavedStorages()):
        ...     _ = image.exp()
        >>> saved.total
        1200
    """
    if saved is None:
        yield
        return
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(saved.add, saved.given_back):
        yield


def run_counted(run: Callable[[], Any], saved: SavedStorages | None) -> Any:
    """Run a pass, and count what its graphs keep if its code allows that.

    Code that takes gradients by ``torch.func`` does not.

    Args:
        run (callable): The pass; it leaves nothing behind if it raises.
        saved (SavedStorages, optional): Gets what is counted.
    """
    try:
        with counted(saved):
            return run()
    except RuntimeError as error:
        if saved is None or NO_HOOKS not in str(error):
            raise
    return run()


def free_memory(device: torch.device) -> int | None:
    """Free bytes of a device; None where they are not known."""
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device)
        return free + cached - torch.cuda.memory_allocated(device)
    if device.type != 'cpu':
        return None
    try:
        with open('/proc/meminfo') as lines:
            for line in lines:
                if line.startswith('MemAvailable:'):
                    return int(line.split()[1]) * 1024
        return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (OSError, ValueError):
        return None


def images_that_fit(device: torch.device, bytes_per_image: int) -> int:
    """How many images a pass may hold, from what one image's graph keeps.

    Args:
        device (torch.device): Where the model is.
        bytes_per_image (int): What the graph of one image keeps.

    Returns:
        int: From 1 to ``MOST_IMAGES``; 1 where free memory is not known.
    """
    free = free_memory(device)
    if free is None:
        return 1
    return int(
        min(
            max(
                FREE_SHARE * free // max(PASS_OVER_GRAPH * bytes_per_image, 1),
                1,
            ),
            MOST_IMAGES,
        )
    )
