"""Forwards that find a model as it was, and leave it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..batch import Forward
from ..state.isolation import state_restored
from ..state.process_state import random_state


def afresh(model: nn.Module, forward: Forward) -> Forward:
    """A forward that finds the model as it was before the pass.

    What a first forward keeps is not what a crop or a probe has made.

    Args:
        model (nn.Module): That the forward runs.
        forward (callable): ``forward(images, positions)``.
    """

    def run(images: Tensor, positions: Sequence[int]) -> Any:
        with random_state(model), state_restored(model):
            return forward(images, positions)

    return run
