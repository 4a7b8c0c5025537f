"""Theoretical receptive fields of the layers of a running measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..core.measurement import Measurement
from ..core.structure import structural_support
from .segmentor import prepare_tensor


def add_theory(measurement: Measurement) -> str | None:
    """Find the theoretical field of every measured layer, once.

    Args:
        measurement (Measurement): After its first batch; gets ``theory``.

    Returns:
        str, optional: Why there is none: some models run at one size only.
        A measurement is whole without it.
    """

    def make_forward(copy: nn.Module) -> Callable[[Tensor], Any]:
        def forward(images: Tensor) -> Any:
            batch = prepare_tensor(copy, images, measurement.layers)
            return batch.forward(batch.inputs, batch.metas)

        return forward

    channels, *size = measurement.input_shape
    try:
        measurement.theory = structural_support(
            measurement.model,
            measurement.capture.layers,
            make_forward,
            (size[0], size[1]),
            channels,
        )
    except Exception as error:
        text = ' '.join(str(error).split()) or type(error).__name__
        return f'no theoretical receptive field: {text[:160]}'
    return None
