"""Which key of a file is which weight of the model: one prefix for all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from torch.nn.parameter import is_lazy

# A word of a prefix that names weights averaged over a training
_AVERAGED_WORD = re.compile(r'(?i)(^|[^a-z])(ema|swa|averaged?)([^a-z]|$)')


class AmbiguousKeysError(Exception):
    """Several mappings fit equally many weights; the text names two."""


@dataclass(frozen=True, order=True)
class KeyMapping:
    """Takes a prefix from the file's keys and puts another in front.

    Attributes:
        strip (str): Such as ``'module.'``; keys without it are no weights of
            the model.
        put (str): Such as ``'backbone.'``.

    Example:
        >>> mapping = KeyMapping('module.', 'backbone.')
        >>> mapping('module.conv1.weight')
        'backbone.conv1.weight'
        >>> print(mapping)
        without 'module.' and with 'backbone.' in front
    """

    strip: str = ''
    put: str = ''

    def __call__(self, key: str) -> str | None:
        """The model's key; None for a key that has not the prefix."""
        if not key.startswith(self.strip):
            return None
        return self.put + key[len(self.strip) :]

    def __str__(self) -> str:
        """Such as "without 'module.'"."""
        words = []
        if self.strip:
            words.append(f'without {self.strip!r}')
        if self.put:
            words.append(f'with {self.put!r} in front')
        return ' and '.join(words) or 'as they are'


AS_THEY_ARE = KeyMapping()


def choose_mapping(
    weights: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[KeyMapping, int]:
    """The mapping by which most weights fit the model by name and shape.

    One block of a network fits another by chance. So a mapping other than
    'as they are' fits more weights than have a model's name as they are, and
    unwraps (all of the file's keys, or all of the model's, have its prefix),
    or fits half of the model's weights, or half of the file's weights and
    half of those of the model's part.

    Args:
        weights (mapping of str to Tensor): Of the file.
        own (mapping of str to Tensor): Of the model.

    Returns:
        tuple[KeyMapping, int]: And how many weights fit; 'as they are' where
        no mapping is better.

    Raises:
        AmbiguousKeysError: If two mappings fit as many, of other weights or
            to other places.
    """
    named = [key for key in weights if key in own]
    others = {
        mapping: count
        for mapping, count in _counted(weights, own)
        if count > len(named) and _is_meant(mapping, count, weights, own)
    }
    most = max(others.values(), default=0)
    best = sorted(mapping for mapping in others if others[mapping] == most)
    if not best:
        return AS_THEY_ARE, _count(AS_THEY_ARE, named, weights, own)
    raw = [
        mapping for mapping in best if not _AVERAGED_WORD.search(mapping.strip)
    ]
    first, *rest = raw or best
    for other in rest:
        if _effect(other, weights, own) != _effect(first, weights, own):
            raise AmbiguousKeysError(
                f'{most} of its weights fit {first}, and as many {other}'
            )
    return first, most


def _is_meant(
    mapping: KeyMapping,
    count: int,
    weights: Mapping[str, Any],
    own: Mapping[str, Any],
) -> bool:
    """Whether a mapping fits so much that it is none by chance."""
    strip, put = mapping.strip, mapping.put
    if not put and all(key.startswith(strip) for key in weights):
        return True
    part = sum(key.startswith(put) for key in own)
    if not strip and part == len(own):
        return True
    halves = [2 * count >= number for number in (len(own), len(weights), part)]
    return halves[0] or (halves[1] and halves[2])


def same_shape(weight: Any, own: Any) -> bool:
    """Whether a weight fits by shape; a lazy one takes any."""
    return is_lazy(own) or own.shape == weight.shape


def memory_of(value: Any) -> Any:
    """The same for two names of one weight, else different."""
    try:
        place = 0 if is_lazy(value) else value.data_ptr()
    except RuntimeError:  # of a sparse one
        place = 0
    return (place, value.shape, value.stride()) if place else id(value)


def shared_depth(keys: list[str]) -> int:
    """How many modules all keys share: 1 for ``net.a.weight, net.b.bias``."""
    modules = [key.split('.')[:-1] for key in keys]
    levels = zip(*modules, strict=False)
    return len(list(takewhile(lambda names: len(set(names)) == 1, levels)))


def part_of(key: str, depth: int) -> str:
    """``backbone`` of ``backbone.conv1.weight`` at depth 0."""
    return '.'.join(key.split('.')[: depth + 1])


def _counted(
    weights: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[tuple[KeyMapping, int]]:
    """Mappings that may be meant, and how many weights they fit."""
    least = min(len(weights), len(own)) / 2
    puts = [p for p, keys in _by_prefix(own).items() if len(keys) >= least]
    for strip, keys in _by_prefix(weights).items():
        if len(keys) < least:
            continue
        for put in puts:
            if not strip or _last_name(strip) != _last_name(put):
                mapping = KeyMapping(strip, put)
                yield mapping, _count(mapping, keys, weights, own)


def _by_prefix(weights: Mapping[str, Any]) -> dict[str, list[str]]:
    """Keys by every prefix that ends in a dot, and by the empty one."""
    found = defaultdict(list)
    for key in weights:
        end = 0
        while True:
            found[key[:end]].append(key)
            end = key.find('.', end) + 1
            if not end:
                break
    return found


def _last_name(prefix: str) -> str:
    return prefix.removesuffix('.').rpartition('.')[2]


def _count(
    mapping: KeyMapping,
    keys: Iterable[str],
    weights: Mapping[str, Any],
    own: Mapping[str, Any],
) -> int:
    targets = ((weights[key], mapping(key) or '') for key in keys)
    return sum(
        target in own and same_shape(weight, own[target])
        for weight, target in targets
    )


def _effect(
    mapping: KeyMapping, weights: Mapping[str, Any], own: Mapping[str, Any]
) -> frozenset:
    """Which weight goes to which memory: a module may have two names."""
    found = set()
    for key, value in weights.items():
        target = mapping(key) or ''
        if target in own and same_shape(value, own[target]):
            found.add((key, memory_of(own[target])))
    return frozenset(found)
