"""Every kind of blocks, by name."""

from .block import Kind
from .kinds import (
    attention,
    content,
    convolutions,
    custom_gradients,
    edits,
    gates,
    layouts,
    norms,
    own_code,
    places,
    pooling,
    positions,
    resampling,
)

_FAMILIES = (
    convolutions, pooling, resampling, attention, gates, norms, content,
    places, positions, custom_gradients, edits, own_code, layouts,
)  # fmt: skip
KINDS: dict[str, Kind] = {
    kind.name: kind for family in _FAMILIES for kind in family.KINDS
}
FILLERS = [kind for kind in KINDS.values() if kind.filler]
STEMS = [KINDS['strided conv'], KINDS['average pool'], KINDS['conv']]
assert len(KINDS) == sum(len(family.KINDS) for family in _FAMILIES)
