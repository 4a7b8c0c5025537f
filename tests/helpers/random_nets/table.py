"""Every kind of blocks, by name."""

from .block import Kind
from .kinds import (
    attention,
    content,
    convolutions,
    layouts,
    norms,
    own_code,
    places,
    pooling,
    resampling,
)

_FAMILIES = (
    convolutions,
    pooling,
    resampling,
    attention,
    norms,
    content,
    places,
    own_code,
    layouts,
)
KINDS: dict[str, Kind] = {
    kind.name: kind for family in _FAMILIES for kind in family.KINDS
}
FILLERS = [kind for kind in KINDS.values() if kind.filler]
STEMS = [KINDS['strided conv'], KINDS['average pool'], KINDS['conv']]
assert len(KINDS) == sum(len(family.KINDS) for family in _FAMILIES)
