"""The format safetensors: names, shapes and numbers, no pickle."""

from __future__ import annotations

import struct

import torch


def is_safetensors(content: bytes | bytearray, path: str) -> bool:
    """Whether a file is one of safetensors, by its name or its content."""
    if path.endswith('.safetensors'):
        return True
    if len(content) < 9 or content[8:9] != b'{':
        return False
    (length,) = struct.unpack_from('<Q', content)  # of the header
    return length <= len(content) - 8


def read_safetensors(content: bytes | bytearray) -> dict[str, torch.Tensor]:
    """Tensors by name.

    Raises:
        ModuleNotFoundError: If the package safetensors is not installed.
        Exception: If the file is damaged.
    """
    from safetensors.torch import load

    tensors = load(bytes(content))
    for value in tensors.values():
        if value.dtype is torch.bool and (value.view(torch.uint8) > 1).any():
            raise ValueError('a truth value is neither 0 nor 1')
    return tensors
