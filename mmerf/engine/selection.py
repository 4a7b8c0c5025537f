"""Which images of a validation set are measured, on which rank."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    SequentialSampler,
)

from ..core.errors import ConfigError
from ..core.options import ORDERS
from ..core.state.data_state import data_restored
from ..core.state.process_state import random_state

_DETERMINISTIC = (DefaultSampler, SequentialSampler, DistributedSampler)


def chosen_indices(length: int, num_images: int, order: str) -> list[int]:
    """Dataset indices to measure, the same at every validation.

    Args:
        length (int): Images in the dataset, N.
        num_images (int): How many to measure, n; all where there are fewer.
        order (str): ``'even'`` for floor(k N / n), ``'first'`` for the first
            n.

    Returns:
        list[int]: Sorted, without repeats.

    Example:
        >>> chosen_indices(10, 4, 'even')
        [0, 2, 5, 7]
    """
    count = min(length, num_images)
    if order == 'first':
        return list(range(count))
    return [k * length // count for k in range(count)]


def check_order(order: str) -> str:
    """Raise ConfigError unless the order is one of ``ORDERS``."""
    if order not in ORDERS:
        raise ConfigError(f"order is 'even' or 'first', not {order!r}")
    return order


def check_num_images(num_images: Any) -> int:
    """Raise ConfigError unless it is a whole number >= 1."""
    if num_images == 'auto':
        raise ConfigError(
            "num_images='auto' is for tools/erf.py; give the hook a number: "
            'a validation loads its images in order, and stopping early would '
            'leave out the last ones'
        )
    if not isinstance(num_images, int) or num_images < 1:
        raise ConfigError(
            f'num_images is a whole number >= 1, not {num_images!r}'
        )
    return num_images


class Selection:
    """Which positions of each batch a rank has to measure.

    Every rank builds it at the start of a validation. An index that a sampler
    repeats, to give every rank as many, is measured once.

    Args:
        dataloader (DataLoader): The validation loop's.
        num_images (int): Images of one validation, over all ranks.
        order (str): ``'even'`` or ``'first'``.

    Attributes:
        positions (list[list[int]]): For each batch of this rank.
        indices (list[int]): The dataset indices at those positions.
        error (Exception, optional): Why this rank's batches are not known;
            nothing is chosen from it then.
    """

    def __init__(self, dataloader: Any, num_images: int, order: str) -> None:
        self.error: Exception | None = None
        batches: list[Sequence[int]] = []
        length = 0
        try:
            length = len(dataloader.dataset)
            batches = _rank_batches(dataloader)
        except Exception as error:  # no failure may stop a training
            self.error = error
        every = all_gather_object(batches)  # which other ranks wait for
        wanted = set(chosen_indices(length, num_images, order))
        rank = get_rank()
        self.positions: list[list[int]] = [[] for _ in batches]
        self.indices: list[int] = []
        longest = max(map(len, every), default=0)
        for number in range(longest):
            for owner, theirs in enumerate(every):
                if number >= len(theirs):
                    continue
                for position, index in enumerate(theirs[number]):
                    if index in wanted:
                        wanted.discard(index)
                        if owner == rank:
                            self.positions[number].append(position)
                            self.indices.append(index)

    def of_batch(self, batch_idx: int) -> list[int]:
        """Positions in this rank's batch that are to be measured."""
        if batch_idx < len(self.positions):
            return self.positions[batch_idx]
        return []


def _rank_batches(dataloader: Any) -> list[Sequence[int]]:
    """Dataset indices of every batch that this rank will load.

    A sampler or batch sampler of a user's own is iterated twice, with other
    random numbers, and gets its state back: where both orders agree, the
    loader will see the same. Else the order is not known before loading, and
    positions stand for the indices.
    """
    sampler = getattr(dataloader, 'sampler', None)
    batches = dataloader.batch_sampler
    if type(sampler) in _DETERMINISTIC and type(batches) is BatchSampler:
        return [list(batch) for batch in batches]
    orders = []
    for seed in (0, 1):
        parts = (sampler, getattr(sampler, 'generator', None), batches)
        with random_state(), data_restored(*parts, but=[dataloader.dataset]):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            some = islice(batches, len(dataloader))  # some never end
            orders.append([[int(index) for index in batch] for batch in some])
    if orders[0] == orders[1]:
        return list(orders[0])
    rank, world, seen = get_rank(), get_world_size(), count()
    return [[rank + world * next(seen) for _ in batch] for batch in orders[0]]
