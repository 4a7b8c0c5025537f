"""The state of what loads data: samplers, transforms, their generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor

from .model_state import ModelState

LARGE = 2**20  # bytes; a larger array or tensor is data, not state


class _DataState(ModelState):
    """As ``ModelState``, but for arrays and tensors that are data."""

    def __init__(self, held: Any, but: Sequence[Any]) -> None:
        self.but = {id(value) for value in but}
        super().__init__(held)

    def keep(self, value: Any) -> None:
        """Keep what a value holds, if it is state."""
        if id(value) in self.but:
            return
        arrays = isinstance(value, (np.ndarray, Tensor))
        if not (arrays and value.nbytes > LARGE):
            super().keep(value)


@contextmanager
def data_restored(*held: Any, but: Sequence[Any] = ()) -> Iterator[None]:
    """Load data inside; afterwards what loads it has the state it had.

    Arrays and tensors above ``LARGE`` are not kept.

    Args:
        *held: Samplers, datasets, transforms.
        but (sequence): Objects that are not followed.
    """
    state = _DataState(held, but)
    try:
        yield
    finally:
        state.restore()
