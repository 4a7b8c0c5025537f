"""Which of a model's weights are those of a pretrained file, by value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...core.errors import CheckpointError, printable
from .checkpoint.containers import find_weights
from .checkpoint.key_mapping import part_of, shared_depth
from .checkpoint.read_file import CheckpointFile


def pretrained_notes(
    model: nn.Module, files: Mapping[str, CheckpointFile]
) -> list[str]:
    """What a model has of the files that it read, one line per file.

    Backbones convert keys, and may resize weights, by code of their own, so
    the values are compared.

    Args:
        model (nn.Module): After its initialisation, on the CPU.
        files (mapping of str to CheckpointFile): By path.

    Raises:
        CheckpointError: If it has nothing of a file.
    """
    if not files:
        return []
    own = {
        key: _digest(value)
        for key, value in model.state_dict().items()
        if isinstance(value, Tensor) and not key.endswith('batches_tracked')
    }
    return [_file_note(path, file, own) for path, file in files.items()]


def _file_note(path: str, file: CheckpointFile, own: Mapping[str, str]) -> str:
    if not isinstance(file.content, Mapping):
        return f'{printable(Path(path).name)} was read'
    collections, notes = find_weights(file)
    weights = {
        f'{place} {key}': value
        for place, found in collections.items()
        for key, value in found.items()
        if not key.endswith('batches_tracked')
    }
    digests = {key: _digest(value) for key, value in weights.items()}
    there = set(digests.values())
    filled = [key for key, digest in own.items() if digest in there]
    varied = {
        digests[key]
        for key, value in weights.items()
        if value.numel() > 1 and bool((value != value.flatten()[0]).any())
    }
    depth = shared_depth(list(own))
    parts = dict.fromkeys(
        part_of(key, depth) for key in filled if own[key] in varied
    )
    if not parts:
        first = ', '.join(repr(k.split(' ', 1)[1]) for k in list(weights)[:2])
        raise CheckpointError(
            f'none of the weights of {path} is in the model, whose config '
            f'loads it: it holds {first}, ...; if a prefix has to be taken '
            "off, init_cfg=dict(type='Pretrained', prefix=...) says so"
        )
    inside = [key for key in own if part_of(key, depth) in parts]
    filled = [key for key in filled if part_of(key, depth) in parts]
    others = [key for key in inside if key not in set(filled)]
    taken = {own[key] for key in filled}
    unused = sum(digest not in taken for digest in digests.values())
    text = (
        f'{len(filled)} of {len(inside)} weights of {" and ".join(parts)} '
        f'are those of {printable(Path(path).name)}'
    )
    if others:
        text += f', not {", ".join(others[:3])}'
        text += ', ...' if len(others) > 3 else ''
    if unused:
        text += f'; {unused} of its {len(digests)} are not used as they are'
    return '; '.join([text, *notes])


def _digest(value: Tensor) -> str:
    """The same for equal numbers in an equal shape, of any precision."""
    if value.is_floating_point():
        value = value.to(torch.float32)
    plain = value.detach().cpu().contiguous().view(-1).view(torch.uint8)
    content = hashlib.blake2b(plain.numpy().tobytes(), digest_size=16)
    content.update(repr(tuple(value.shape)).encode())
    return content.hexdigest()
