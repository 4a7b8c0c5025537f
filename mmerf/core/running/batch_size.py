"""How many images of a pass fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

FIRST_IMAGES = 8  # images of the first pass, whose memory is then known
MOST_IMAGES = 32  # images of a pass; more gain nothing
FREE_SHARE = 0.5  # of the free memory that a pass may take
PASS_OVER_GRAPH = 2.0  # memory of a pass over what its graph keeps


class SavedStorages:
    """Storages that autograd graphs keep for their backward passes."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}

    @property
    def total(self) -> int:
        """Bytes in all; a storage that several tensors share counts once."""
        return sum(self._storages.values())

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor's storage; return the tensor, detached.

        A tensor that its own graph keeps would never be freed.
        """
        if type(tensor) in (Tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            self._storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()


@contextmanager
def saved_bytes() -> Iterator[SavedStorages]:
    """Count what the graphs that are built inside the context keep.

    Example:
        >>> image = torch.zeros(1, 3, 10, 10, requires_grad=True)
        >>> with saved_bytes() as saved:
        ...     _ = image.exp()
        >>> saved.total
        1200
    """
    saved = SavedStorages()
    with torch.autograd.graph.saved_tensors_hooks(saved.add, lambda x: x):
        yield saved


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
