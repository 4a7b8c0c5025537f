"""The theoretical field of every layer in each of several inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Forward, JoinedInputs
from ..layers.names import Layer
from ..results.theoretical_field import Support
from .search import UnitOf, find_theory
from .theory import Theory


def find_theory_by_input(
    model: nn.Module,
    layers: list[Layer],
    joined: JoinedInputs | None,
    input_shape: tuple[int, int, int],
    unit_of: UnitOf | None = None,
) -> Theory:
    """As ``find_theory`` for each input, with noise in the others.

    Args:
        model (nn.Module): Without wrappers; called with the inputs.
        layers (list of Layer): From ``find_layers``.
        joined (JoinedInputs, optional): None where there is one input.
        input_shape (tuple[int, int, int]): (C, H, W) of all inputs together.
        unit_of (callable, optional): As for ``find_theory``.

    Returns:
        Theory: By layer key; ``'layer@input'`` where there are several.
    """
    channels, size = input_shape[0], input_shape[1:]
    if joined is None:
        return find_theory(
            model,
            layers,
            lambda copy: lambda images, positions: copy(images),
            size,
            channels,
            unit_of,
        )
    fields: dict[str, Support] = {}
    reasons: dict[str, str] = {}
    reason = None
    for name, own in joined.channels.items():
        found = find_theory(
            model,
            layers,
            _held(joined, own, channels),
            size,
            own.stop - own.start,
            unit_of,
        )
        fields |= _named(found.fields, name)
        reasons |= _named(found.reasons, name)
        reason = reason or found.reason
    return Theory(fields, reasons, reason)


def _held(joined: JoinedInputs, own: slice, channels: int) -> Any:
    """Makes forwards of images of one input, with noise in the others."""

    def make_forward(copy: nn.Module) -> Forward:
        def forward(images: Tensor, positions: Sequence[int]) -> Any:
            def noise(count: int) -> Tensor:
                shape = (*images.shape[:-3], count, *images.shape[-2:])
                drawn = torch.randn(shape, generator=generator)
                return drawn.to(images)

            generator = torch.Generator().manual_seed(0)
            before, after = noise(own.start), noise(channels - own.stop)
            return joined.run(copy, torch.cat([before, images, after], -3))

        return forward

    return make_forward


def _named(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {f'{key}@{name}': value for key, value in values.items()}
