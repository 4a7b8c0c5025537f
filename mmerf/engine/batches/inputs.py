"""Which input of a network with several is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from ...core.errors import ConfigError

Rebuild = Callable[[Tensor, Sequence[int]], Any]


def measured_input(inputs: Any) -> tuple[Tensor, Rebuild]:
    """The tensor to measure, and how to make the network's input of it.

    Args:
        inputs: A Tensor (N, C, H, W), or a mapping or sequence of several
            inputs, of which the first image-like one is measured.

    Returns:
        tuple: The Tensor, and ``rebuild(images, positions)``, which gives
        the network's input for the images at these positions of the batch:
        the other inputs too, resized where the images were resized.

    Raises:
        ConfigError: If no input is image-like.
    """
    if isinstance(inputs, Tensor):
        return inputs, lambda images, positions: images
    is_mapping = isinstance(inputs, Mapping)
    items = dict(inputs) if is_mapping else dict(enumerate(inputs))
    images_like = [k for k, v in items.items() if _is_image(v)]
    if not images_like:
        raise ConfigError(
            'the data preprocessor gives no input of shape (N, C, H, W), but '
            f'{type(inputs).__name__}; give the model a data_preprocessor '
            'that does, such as SegDataPreProcessor, or use measure_erf'
        )
    first = images_like[0]
    whole = items[first].shape[2:]

    def rebuild(images: Tensor, positions: Sequence[int]) -> Any:
        made = {}
        for key, value in items.items():
            if key == first:
                made[key] = images
            elif not isinstance(value, Tensor):
                made[key] = value
            else:
                part = value[list(positions)]
                if _is_image(part) and part.shape[2:] == whole:
                    part = _resized_like(part, images)
                made[key] = part
        return made if is_mapping else type(inputs)(made.values())

    return items[first], rebuild


def _is_image(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dim() == 4
        and value.is_floating_point()
    )


def _resized_like(other: Tensor, images: Tensor) -> Tensor:
    if other.shape[2:] == images.shape[2:]:
        return other
    return functional.interpolate(other, images.shape[2:], mode='bilinear')
