"""Load a checkpoint's weights without running code from its pickle."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine import fileio
from torch import nn

from ....core.errors import CheckpointError, one_line
from .torch_file import read_checkpoint
from .stored import StoredTensor, UnsafeGlobalError


def load_checkpoint(
    model: nn.Module,
    path: str | os.PathLike,
    trust: bool = False,
    partial: bool = False,
) -> dict:
    """Load a checkpoint's weights into a model.

    Args:
        model (nn.Module): Its weights and buffers are replaced.
        path: A file, or a URL that mmengine's file backends read.
        trust (bool): Allow a checkpoint whose pickle runs code.
        partial (bool): Load the weights that fit; those of another shape keep
            the model's values.

    Returns:
        dict: ``path``, ``sha256``, lists of ``missing``, ``unexpected`` and
        ``reshaped`` keys, and ``classes``, the names in its
        ``dataset_meta``, or None.

    Raises:
        CheckpointError: If the file is missing, damaged, would run code, or
            does not fit the model.
    """
    content = _read(path)
    checkpoint = _unpickle(content, path, trust)
    weights = _state_dict(checkpoint, path)
    own = model.state_dict()
    wrong = [
        f'{key} is {tuple(value.shape)} there, {tuple(own[key].shape)} here'
        for key, value in weights.items()
        if key in own and own[key].shape != value.shape
    ]
    reshaped = [text.split(' is ')[0] for text in wrong] if partial else []
    weights = {k: v for k, v in weights.items() if k not in set(reshaped)}
    if (wrong and not partial) or not set(weights) & set(own):
        reason = (
            f'{len(wrong)} weight(s) have another shape, first {wrong[0]}'
            if wrong and not partial
            else f"none of the model's {len(own)} weights is in it"
        )
        raise CheckpointError(
            f'{path} does not fit this config: {reason}; give the config '
            'that it was trained with'
        )
    try:
        found = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # sparse, quantised
        raise CheckpointError(
            f'{path} does not fit this config: {one_line(error)}'
        ) from error
    return {
        'path': os.fspath(path),
        'sha256': hashlib.sha256(content).hexdigest(),
        'missing': [
            k
            for k in found.missing_keys
            if not k.endswith('batches_tracked') and k not in reshaped
        ],
        'unexpected': list(found.unexpected_keys),
        'classes': _classes(checkpoint),
        'reshaped': reshaped,
    }


def _read(path: str | os.PathLike) -> bytearray:
    name = os.fspath(path)
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


def _unpickle(content: bytearray, path: Any, trust: bool) -> Any:
    try:
        if trust:
            file = io.BytesIO(content)
            return torch.load(file, map_location='cpu', weights_only=False)
        return read_checkpoint(content)
    except UnsafeGlobalError as error:
        raise CheckpointError(
            f'{path} was refused: its pickle asks for {one_line(error, 160)}, '
            'which no weights need and which could run code; if you trust '
            'whoever made it, pass --trust-checkpoint (trust_checkpoint=True)'
        ) from error
    except Exception as error:  # damaged bytes raise almost anything
        raise _damaged(path, error) from error


def _damaged(path: Any, error: Exception) -> CheckpointError:
    return CheckpointError(
        f'{path} is not a whole checkpoint: {one_line(error)}'
    )


def _classes(checkpoint: Any) -> list[str] | None:
    """Names of the classes, as mmengine or mmseg 0.x stores them."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    stored = meta.get('dataset_meta')
    found = stored.get('classes') if isinstance(stored, Mapping) else None
    for names in (found, meta.get('CLASSES')):
        if isinstance(names, (list, tuple)) and names:
            text = all(isinstance(name, str) for name in names)
            return list(names) if text else None
    return None


def _state_dict(checkpoint: Any, path: Any) -> dict[str, torch.Tensor]:
    for name in ('state_dict', 'model', 'module'):
        if isinstance(checkpoint, Mapping) and isinstance(
            checkpoint.get(name), Mapping
        ):
            checkpoint = checkpoint[name]
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(checkpoint).__name__}, not weights by name'
        )
    try:
        weights = {
            re.sub(r'^(module\.)+', '', str(key)): (
                value.tensor() if isinstance(value, StoredTensor) else value
            )
            for key, value in checkpoint.items()
            if isinstance(value, (StoredTensor, torch.Tensor))
        }
    except Exception as error:  # damaged bytes raise almost anything
        raise _damaged(path, error) from error
    if not weights:
        raise CheckpointError(f'{path} holds no weights')
    for key, value in weights.items():
        if value.is_nested:
            raise CheckpointError(
                f'{path} holds a nested tensor ({key!r:.80}); a weight is '
                'an array'
            )
    return weights
