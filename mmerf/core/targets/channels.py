"""Which channels of a unit are scored, and how."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import TargetError
from .base import Target, TargetContext


class Channels(Target):
    """The sum over channels at a place that a subclass names in ``where``.

    Args:
        relu (bool): Whether negative channels count as zero, as in the
            published definition. False scores every channel as it is.
        channels (sequence of int, optional): Only these; None for all.
    """

    where: str = ''
    relu: bool = True

    def __init__(
        self, relu: bool = True, channels: Sequence[int] | None = None
    ) -> None:
        self.relu = relu
        self.channels = None if channels is None else list(channels)

    @property
    def definition(self) -> str:
        """Description of what is scored."""
        what = 'relu(output)' if self.relu else 'output'
        which = 'channels' if self.channels is None else (
            f'channels {self.channels}'
        )  # fmt: skip
        return f'sum over {which} of {what} at {self.where}'

    def summed(self, values: Tensor, context: TargetContext) -> Tensor:
        """Sum over the chosen channels, (N, C, ...) to (N, ...).

        Raises:
            TargetError: If the layer does not have a chosen channel.
        """
        if self.channels is not None:
            values = values[:, self._checked(values.shape[1], context.layer)]
        values = at_least_float32(values)
        return (torch.relu(values) if self.relu else values).sum(dim=1)

    def _checked(self, count: int, layer: str) -> list[int]:
        assert self.channels is not None
        wrong = [c for c in self.channels if not -count <= c < count]
        if wrong or not self.channels:
            raise TargetError(
                f'{layer}: there is no channel {wrong}, the layer has '
                f'{count}; choose from 0 to {count - 1}'
            )
        return self.channels


def checked_unit(
    unit: tuple[int, int], output: Tensor, context: TargetContext
) -> tuple[int, int]:
    """A unit (y, x), checked to be one of an output (N, C, h, w).

    Raises:
        TargetError: If the output does not have it.
    """
    (y, x), (h, w) = unit, output.shape[2:]
    if not (0 <= y < h and 0 <= x < w):
        raise TargetError(
            f'{context.layer}: there is no unit ({y}, {x}) in a grid of '
            f'{h} x {w}; rows go to {h - 1}, columns to {w - 1}'
        )
    return y, x


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision to float32, so that sums do not overflow."""
    half = values.dtype in (torch.float16, torch.bfloat16)
    return values.float() if half else values
