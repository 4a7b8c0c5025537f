"""Forwards that find a model as it was, and leave it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..errors import MeasurementError
from ..state.isolation import preserved, state_restored
from ..state.process_state import random_state
from .precision import precision


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


@contextmanager
def without_gradient(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Run a model in float32, without gradient, and leave it as it was.

    Raises:
        MeasurementError: At the end, if forwards changed its parameters.
    """
    with preserved(model) as kept, torch.inference_mode(False):
        with torch.no_grad(), precision(device.type, None):
            yield
    if kept.changed:
        raise MeasurementError(
            'the model changes its parameters as it runs, so that each '
            'forward of an image meets another model'
        )
