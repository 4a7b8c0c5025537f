"""One image, as an explorer is given it, to a batch of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..batch import Batch
from ..errors import ConfigError
from ..inputs.forms import batches_of
from ..layers.clips import resize_images
from ..running.precision import as_weights, device_of


def one_image(
    model: nn.Module,
    image: Tensor | Batch,
    forward: Callable[[Any], Any] | None = None,
    input_size: Sequence[int] | None = None,
) -> Batch:
    """A batch of one image on the model's device, in its weights' precision.

    Args:
        model (nn.Module): Without wrappers.
        image: Tensor (1, C, H, W), or a Batch of one such image.
        forward (callable, optional): As for :func:`mmerf.measure_erf`.
        input_size (tuple[int, int], optional): Resize it to this (H, W).

    Raises:
        ConfigError: If it is anything else; says what.
    """
    if isinstance(image, Tensor):
        if image.dim() != 4:
            raise ConfigError(_not_one(f'shape {tuple(image.shape)}'))
        (batch,) = batches_of(model, image, forward)
    elif isinstance(image, Batch):
        batch = image
    else:
        raise ConfigError(_not_one(f'a {type(image).__name__}'))
    if batch.joined is not None:
        raise ConfigError(
            f'the model has several inputs ({", ".join(batch.joined.channels)}'
            '); an explorer shows the field in one, measure_erf in each'
        )
    inputs = batch.inputs
    if inputs.dim() != 4 or len(inputs) != 1:
        raise ConfigError(_not_one(f'shape {tuple(inputs.shape)}'))
    if not inputs.is_floating_point():
        raise ConfigError(
            f'the image is {inputs.dtype}; normalise it to floating point as '
            'the model expects'
        )
    inputs = as_weights(inputs, model).to(device_of(model, inputs))
    return replace(batch, inputs=resize_images(inputs, input_size))


def _not_one(what: str) -> str:
    return f'an explorer takes one image, shape (1, C, H, W), not {what}'


def picture_of(values: Tensor) -> np.ndarray:
    """Values of an image as a picture, from its lowest to its highest.

    Args:
        values (Tensor): Shape (C, H, W).

    Returns:
        np.ndarray: 0 to 1; (H, W, 3) of three channels, else their mean,
        (H, W).

    Example:
        >>> import torch
        >>> picture_of(torch.arange(3.0).view(1, 1, 3))
        array([[0. , 0.5, 1. ]])
    """
    values = values.detach().double().cpu()
    low, high = float(values.min()), float(values.max())
    values = (values - low) / (high - low if high > low else 1)
    picture = values.permute(1, 2, 0).numpy()
    return picture if len(values) == 3 else picture.mean(axis=2)
