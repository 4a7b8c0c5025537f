"""A checkpoint file, or a URL, to what it holds; no code of it runs."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine import fileio

from ....core.errors import CheckpointError, one_line
from .safetensors_file import is_safetensors, read_safetensors
from .stored import UnsafeGlobalError
from .torch_file import read_checkpoint


@dataclass(frozen=True, eq=False)
class CheckpointFile:
    """What a file holds.

    Attributes:
        path (str): As it was given.
        sha256 (str): Of its bytes.
        content (Any): Plain values; tensors as ``StoredTensor`` or tensors.
    """

    path: str
    sha256: str
    content: Any


def read_file(path: str | os.PathLike, trust: bool = False) -> CheckpointFile:
    """Read a file of ``torch.save`` or safetensors.

    Args:
        path: A file, or a URL that mmengine's file backends read.
        trust (bool): Allow a pickle that runs code.

    Raises:
        CheckpointError: If the file is missing, damaged or would run code.
    """
    name = os.fspath(path)
    raw = _bytes_of(name)
    content = _checkpoint_content(raw, name, trust)
    return CheckpointFile(name, hashlib.sha256(raw).hexdigest(), content)


def damaged(path: str, error: Exception) -> CheckpointError:
    """The error that says that a file is not whole."""
    return CheckpointError(
        f'{path} is not a whole checkpoint: {one_line(error)}'
    )


def _bytes_of(name: str) -> bytearray:
    try:
        if '://' in name:
            return bytearray(fileio.get(name))
        return bytearray(Path(name).read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f'there is no checkpoint {name}') from error
    except Exception as error:  # file backends raise what they like
        raise CheckpointError(
            f'{name} could not be read: {one_line(error)}'
        ) from error


def _checkpoint_content(raw: bytearray, path: str, trust: bool) -> Any:
    try:
        if is_safetensors(raw, path):
            return read_safetensors(raw)
        if trust:
            file = io.BytesIO(raw)
            return torch.load(file, map_location='cpu', weights_only=False)
        return read_checkpoint(raw)
    except UnsafeGlobalError as error:
        raise CheckpointError(
            f'{path} was refused: its pickle asks for {one_line(error, 160)}, '
            'which no weights need and which could run code; if you trust '
            'whoever made it, pass --trust-checkpoint (trust_checkpoint=True)'
        ) from error
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f'{path} needs the package {error.name}, which is not installed'
            + (': pip install safetensors' * (error.name == 'safetensors'))
        ) from error
    except Exception as error:  # damaged bytes raise almost anything
        raise damaged(path, error) from error
