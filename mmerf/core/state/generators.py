"""How generators of random numbers are kept: of torch, NumPy and Python."""

from __future__ import annotations

import random

import numpy as np
import torch

from .kept import Kept


def keep_torch_generator(state: Kept, value: torch.Generator) -> None:
    """torch's, on any device."""
    drawn = value.get_state()
    state.on_restore(lambda: value.set_state(drawn))


def keep_numpy_generator(state: Kept, value: np.random.Generator) -> None:
    """NumPy's, of any kind of bits."""
    bits = value.bit_generator
    drawn = bits.state
    state.on_restore(lambda: setattr(bits, 'state', drawn))


def keep_random_state(state: Kept, value: np.random.RandomState) -> None:
    """NumPy's older kind."""
    drawn = value.get_state()
    state.on_restore(lambda: value.set_state(drawn))


def keep_random(state: Kept, value: random.Random) -> None:
    """Python's."""
    drawn = value.getstate()
    state.on_restore(lambda: value.setstate(drawn))
