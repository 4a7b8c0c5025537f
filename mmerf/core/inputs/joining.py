"""Several inputs joined along their channels, and the names of their maps.

Joined, they are cropped, resized, repeated and cut into passes together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..batch import JoinedInputs
from ..errors import ConfigError, one_line

_NAME = re.compile(r'(?!\d+$)[^@:\[\]\s]+')
_CALL = re.compile(r'\d+(\[-?\d+\])*')  # a layer's, after its '@'
FORMS = (
    'images are a Tensor (N, C, H, W); several inputs are a mapping of such '
    'Tensors by name, or a tuple of them'
)


def join_inputs(
    inputs: Mapping[str, Any], positional: bool = False
) -> tuple[Tensor, JoinedInputs]:
    """Several inputs as one Tensor, and which channels are whose.

    Args:
        inputs (mapping of str to Tensor): Each (N, C_i, H, W), floating
            point, or clips (N, frames, C_i, H, W); all of one size.
        positional (bool): Whether a network takes them without names.

    Returns:
        tuple[Tensor, JoinedInputs]: Shape (N, sum of C_i, H, W).

    Raises:
        ConfigError: If they do not fit together, or a name is none.

    Example:
        >>> rgb, depth = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)
        >>> join_inputs({'rgb': rgb, 'depth': depth})[0].shape
        torch.Size([2, 4, 8, 8])
    """
    if not inputs:
        raise ConfigError(f'there is no input; {FORMS}')
    channels, start = {}, 0
    for name, value in inputs.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(
                f"an input's name is text without spaces and @ : [ ], and no "
                f"number, not {name!r:.60}; for example 'rgb'"
            )
        if not is_image_like(value):
            raise ConfigError(
                f'input {name!r} is {form_of(value)}; several inputs are '
                'floating-point (N, C, H, W); leave out what is none, or add '
                'it in forward='
            )
        channels[name] = slice(start, start + value.shape[-3])
        start += value.shape[-3]
    sizes = {
        (*value.shape[:-3], *value.shape[-2:]) for value in inputs.values()
    }
    if len(sizes) > 1:
        shapes = ', '.join(f'{k} {tuple(v.shape)}' for k, v in inputs.items())
        raise ConfigError(
            f'inputs differ in more than channels: {one_line(shapes, 120)}; '
            'resize them to one (H, W), and undo it in forward='
        )
    device = next(iter(inputs.values())).device
    joined = torch.cat([v.detach().to(device) for v in inputs.values()], -3)
    return joined, JoinedInputs(channels, positional)


def layer_and_input(key: str) -> tuple[str, str]:
    """A result's layer, and its input; empty for the only input.

    Args:
        key (str): Such as ``'decode_head@rgb:road'``.

    Example:
        >>> layer_and_input('decode_head@rgb:road')
        ('decode_head', 'rgb')
        >>> layer_and_input('encoder@1[0]')  # its second call
        ('encoder@1[0]', '')
    """
    whole = key.split(':')[0]
    layer, at, name = whole.rpartition('@')
    if not at or _CALL.fullmatch(name):
        return whole, ''
    return layer, name


def is_image_like(value: Any) -> bool:
    """Whether a value is a floating-point Tensor (N, ..., C, H, W)."""
    return (
        isinstance(value, Tensor)
        and value.dim() >= 4
        and value.is_floating_point()
    )


def form_of(value: Any) -> str:
    """A value's form, for messages."""
    if not isinstance(value, Tensor):
        return f'a {type(value).__name__}'
    return f'{tuple(value.shape)} of {value.dtype}'
