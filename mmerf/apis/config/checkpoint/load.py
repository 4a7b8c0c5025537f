"""Load a checkpoint's weights into a model, and say what was loaded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ....core.errors import CheckpointError, one_line, printable
from .containers import Weights, find_weights, stored_classes
from .key_mapping import (
    AS_THEY_ARE,
    AmbiguousKeysError,
    KeyMapping,
    choose_mapping,
    memory_of,
    part_of,
    same_shape,
    shared_depth,
)
from .read_file import CheckpointFile, read_file


def load_checkpoint(
    model: nn.Module,
    path: str | os.PathLike,
    trust: bool = False,
    partial: bool = False,
) -> dict:
    """Load a checkpoint's weights into a model.

    The file's keys may have a prefix that the model's have not (``module.``,
    ``model.``, ``backbone.``, any other), or lack one; so the file of a
    backbone fills that of a segmentor.

    Args:
        model (nn.Module): Its weights and buffers are replaced.
        path: A file of ``torch.save`` or safetensors, or a URL that
            mmengine's file backends read.
        trust (bool): Allow a checkpoint whose pickle runs code.
        partial (bool): Load the weights that fit; those of another shape keep
            the model's values.

    Returns:
        dict: ``path``, ``sha256``; lists of ``missing``, ``unexpected`` and
        ``reshaped`` keys; ``filled`` and ``kept``, numbers of weights by part
        of the model, for parts that the file has and for those that it has
        nothing of; ``notes``, what else its user should know, one line each;
        ``classes``, the names in its ``dataset_meta``, or None.

    Raises:
        CheckpointError: If the file is missing, damaged, would run code, or
            does not fit the model, or fits it in two ways.

    Example:
        >>> import tempfile, torch
        >>> state = {'module.weight': torch.ones(1, 2)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({'model': state}, f'{folder}/x.pth')
        ...     loaded = load_checkpoint(nn.Linear(2, 1), f'{folder}/x.pth')
        >>> loaded['missing'], loaded['notes']
        (['bias'], ["the keys of x.pth were read without 'module.'"])
    """
    return load_file(model, read_file(path, trust), partial)


def load_file(
    model: nn.Module, file: CheckpointFile, partial: bool = False
) -> dict:
    """As :func:`load_checkpoint`, of a file that was read."""
    own = {
        key: value
        for key, value in model.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    collections, notes = find_weights(file)
    weights, mapping = _choose(collections, own, file.path)
    if mapping != AS_THEY_ARE:
        name = printable(Path(file.path).name)
        notes.append(f'the keys of {name} were read {mapping}')
    mapped = {
        target: value
        for key, value in weights.items()
        if (target := mapping(key)) is not None
    }
    wrong = [
        key
        for key, value in mapped.items()
        if key in own and not same_shape(value, own[key])
    ]
    if wrong and not partial:
        key = wrong[0]
        raise CheckpointError(
            f'{file.path} does not fit this model: {len(wrong)} weight(s) '
            f'have another shape, first {key} is {tuple(mapped[key].shape)} '
            f'there, {tuple(own[key].shape)} here; give the model that it '
            'was trained with'
        )
    fitting = {k: v for k, v in mapped.items() if k not in set(wrong)}
    filled = fitting.keys() & own.keys()
    if not filled:
        raise CheckpointError(_nothing_fits(file.path, weights, own))
    try:
        found = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:  # sparse, quantised
        raise CheckpointError(
            f'{file.path} does not fit this model: {one_line(error)}'
        ) from error
    unexpected = set(found.unexpected_keys)
    given = {*wrong, *_same_memory(own, filled)}
    missing = [
        key
        for key in found.missing_keys
        if key not in given and not key.endswith('batches_tracked')
    ]
    return {
        'path': file.path,
        'sha256': file.sha256,
        'missing': missing,
        'unexpected': [
            key
            for key in weights
            if (target := mapping(key)) is None or target in unexpected
        ],
        'classes': stored_classes(file.content),
        'reshaped': wrong,
        'notes': notes,
        **_parts(own, filled, missing),
    }


def _choose(
    collections: Mapping[str, Weights], own: Mapping[str, Any], path: str
) -> tuple[Weights, KeyMapping]:
    """The weights that fit the model best, and how."""
    try:
        ways = {
            place: choose_mapping(weights, own)
            for place, weights in collections.items()
        }
    except AmbiguousKeysError as error:
        raise CheckpointError(
            f'{path} fits this model in two ways: {error}; save the weights '
            'that are meant under the names of the model'
        ) from error
    most = max(count for _, count in ways.values())
    first, *rest = (p for p, (_, count) in ways.items() if count == most)
    if rest:
        raise CheckpointError(
            f'{path} holds weights under {first!r} and under {rest[0]!r}, and '
            f'{most} of each fit this model; save those that are meant alone'
        )
    return collections[first], ways[first][0]


def _same_memory(own: Mapping[str, Any], keys: Iterable[str]) -> set[str]:
    """Further names of weights: a module may be in a model twice."""
    memories = {memory_of(own[key]) for key in keys}
    return {key for key, value in own.items() if memory_of(value) in memories}


def _nothing_fits(
    path: str, weights: Mapping[str, Any], own: Mapping[str, Any]
) -> str:
    return (
        f"none of the model's {len(own)} weights is in {path}: it holds "
        f'{_first_keys(weights)}; the model has {_first_keys(own)}; give the '
        'model that it was trained with'
    )


def _first_keys(weights: Mapping[str, Any], number: int = 2) -> str:
    """Such as "'conv.weight' (8, 3, 3, 3), 'conv.bias' (8,), ..."."""
    texts = [
        f'{printable(key)!r:.80}'
        + ('' if is_lazy(value) else f' {tuple(value.shape)}')
        for key, value in list(weights.items())[:number]
    ]
    return ', '.join(texts) + (', ...' if len(weights) > number else '')


def _parts(
    own: Mapping[str, Any], filled: Iterable[str], missing: list[str]
) -> dict[str, dict[str, int]]:
    """Numbers of weights by part of the model.

    A part is a module at the first level that has several.
    """
    depth = shared_depth(list(own))
    filled_parts = Counter(part_of(key, depth) for key in filled)
    missing_parts = Counter(part_of(key, depth) for key in missing)
    order = dict.fromkeys(part_of(key, depth) for key in own)
    return {
        'filled': {p: filled_parts[p] for p in order if p in filled_parts},
        'kept': {
            part: missing_parts[part]
            for part in order
            if part in missing_parts and part not in filled_parts
        },
    }
