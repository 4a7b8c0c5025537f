"""Where in a checkpoint its weights are, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ....core.errors import CheckpointError, printable
from .read_file import CheckpointFile, damaged
from .stored import StoredTensor

Weights = dict[str, torch.Tensor]

_RAW_NAMES = (
    'state_dict',
    'model_state_dict',
    'model',
    'network',
    'net',
    'module',
)
_AVERAGED_NAMES = (
    'ema_state_dict',
    'state_dict_ema',
    'ema_model',
    'model_ema',
    'ema',
)
_MOST_LEVELS = 3


def find_weights(file: CheckpointFile) -> tuple[dict[str, Weights], list[str]]:
    """The weights of a file that may be meant, and notes on the others.

    Returns:
        tuple[dict[str, Weights], list[str]]: By the place in the file, such
        as ``'model.state_dict'``, ``''`` for the file itself; seldom more
        than one. Averaged weights are in it only if there are no others.

    Raises:
        CheckpointError: If the file holds no weights.
    """
    content = _as_mapping(file.content)
    if content is None:
        raise CheckpointError(
            f'{file.path} holds a {type(file.content).__name__}, not weights '
            'by name'
        )
    places = _places(content)
    averaged = {k: v for k, v in places.items() if _is_averaged(k)}
    raw = {k: v for k, v in places.items() if k not in averaged}
    notes = []
    if averaged and raw:
        notes.append(_beside(content, '.'.join(min(raw)), averaged))
    elif averaged:
        name = '.'.join(min(averaged))
        notes.append(f'the averaged weights {name!r} are its only ones')
    found = {
        '.'.join(place): _tensors(weights, file)
        for place, weights in (raw or averaged).items()
    }
    if not found:
        raise CheckpointError(_no_weights(content, file.path))
    return found, notes


def stored_classes(content: Any) -> list[str] | None:
    """Names of the classes, as mmengine or mmseg 0.x stores them."""
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    stored = meta.get('dataset_meta')
    found = stored.get('classes') if isinstance(stored, Mapping) else None
    for names in (found, meta.get('CLASSES')):
        if isinstance(names, (list, tuple)) and names:
            text = all(isinstance(name, str) for name in names)
            return list(names) if text else None
    return None


def _as_mapping(value: Any) -> Mapping | None:
    """A mapping as it is, a module (of a trusted pickle) as its weights."""
    if isinstance(value, nn.Module):
        return value.state_dict()
    return value if isinstance(value, Mapping) else None


def _places(
    content: Mapping, inside: tuple[str, ...] = ()
) -> dict[tuple[str, ...], Mapping]:
    found: dict[tuple[str, ...], Mapping] = {}
    if len(inside) < _MOST_LEVELS:
        for name in (*_RAW_NAMES, *_AVERAGED_NAMES):
            inner = _as_mapping(content.get(name))
            if inner is not None:
                found |= _places(inner, (*inside, name))
    if not found and _holds_tensors(content):
        found[inside] = content
    return found


def _holds_tensors(content: Mapping) -> bool:
    return any(
        isinstance(value, (StoredTensor, torch.Tensor))
        for value in content.values()
    )


def _is_averaged(place: tuple[str, ...]) -> bool:
    return any(name in _AVERAGED_NAMES for name in place)


def _beside(content: Mapping, raw: str, averaged: Mapping) -> str:
    """A note on averaged weights that lie beside those that are loaded."""
    name = '.'.join(min(averaged))
    meta = content.get('meta')
    if name == 'ema_state_dict' and (
        isinstance(meta, Mapping) and 'mmengine_version' in meta
    ):  # mmengine's EMAHook swaps the two when it saves
        return (
            f'{raw!r} holds the averaged weights, as EMAHook saves them; the '
            f'raw ones lie beside them as {name!r} and are not used'
        )
    return (
        f'the raw weights {raw!r} are loaded; averaged ones lie beside them '
        f'as {name!r} and are not used'
    )


def _tensors(content: Mapping, file: CheckpointFile) -> Weights:
    try:
        weights = {
            str(key): (
                value.tensor() if isinstance(value, StoredTensor) else value
            )
            for key, value in content.items()
            if isinstance(value, (StoredTensor, torch.Tensor))
        }
    except Exception as error:  # damaged bytes raise almost anything
        raise damaged(file.path, error) from error
    for key, value in weights.items():
        if value.is_nested:
            raise CheckpointError(
                f'{file.path} holds a nested tensor ({key!r:.80}); a weight '
                'is an array'
            )
    return weights


def _no_weights(content: Mapping, path: str) -> str:
    others = [
        repr(printable(str(key)))
        for key, value in content.items()
        if (inner := _as_mapping(value)) and _holds_tensors(inner)
    ]
    if not others:
        return f'{path} holds no weights'
    return (
        f'{path} holds no weights under a name that is known '
        f'({", ".join(_RAW_NAMES)}), but tensors under '
        f'{", ".join(others[:3])}; save those that are meant as a file of '
        'their own'
    )
