"""Checks of the settings that a measurement takes; each raises ConfigError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import ConfigError

AMP_DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


def check_inputs(inputs: Any) -> None:
    """Raise ConfigError unless inputs are floating (N, ..., C, H, W)."""
    if not isinstance(inputs, Tensor) or inputs.dim() < 4:
        shape = tuple(getattr(inputs, 'shape', ())) or type(inputs).__name__
        raise ConfigError(
            f'images have shape (N, C, H, W), not {shape}; clips have '
            '(N, frames, C, H, W), and forward= makes any other structure'
        )
    if not inputs.is_floating_point():
        raise ConfigError(
            f'images are {inputs.dtype}; normalise them to floating point as '
            'the model expects'
        )


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """Shares as floats in (0, 1]."""
    try:
        values = tuple(float(share) for share in shares)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f'shares are numbers, not {shares!r}') from error
    if not values or not all(0 < share <= 1 for share in values):
        raise ConfigError(
            f'shares lie in (0, 1], not {list(values)}; for example 0.5 0.99'
        )
    return values


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """An (H, W) in whole pixels, or None."""
    if size is None:
        return None
    values = tuple(size) if isinstance(size, (list, tuple)) else ()
    if len(values) != 2 or not all(
        isinstance(side, int) and side > 0 for side in values
    ):
        raise ConfigError(
            f'input_size is (H, W) in whole pixels, not {size!r}'
        )
    return values[0], values[1]


def check_batch_size(size: int | None) -> int | None:
    """A whole number >= 1, or None."""
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ConfigError(f'batch_size is a whole number >= 1, not {size!r}')
    return size


def check_amp(amp: str | None) -> str | None:
    """'bfloat16', 'float16' or None."""
    if amp is not None and amp not in list(AMP_DTYPES):
        raise ConfigError(
            f'amp is {" or ".join(map(repr, AMP_DTYPES))} or None, not {amp!r}'
        )
    return amp
