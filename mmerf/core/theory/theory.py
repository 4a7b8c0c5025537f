"""What is known of the theoretical fields of a model's layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ..results.theoretical_field import Support

# A result's field, and why there is none or only a bound.
FieldAndReason = tuple[Support | None, str | None]


@dataclass(frozen=True)
class Theory:
    """Fields, and the reasons for those that are missing or bounds.

    Attributes:
        fields (dict[str, Support]): By layer key.
        reasons (dict[str, str]): By layer key, why there is no field, or why
            it is only a bound.
        reason (str, optional): Why no layer has a field.
    """

    fields: dict[str, Support] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    reason: str | None = None

    def why(self, key: str) -> str | None:
        """Why a layer has no field, or only a bound; None where it is known.

        Args:
            key (str): The layer's key.

        Example:
            >>> Theory(reason='the model cannot be copied').why('layer4')
            'the model cannot be copied'
        """
        if key in self.reasons:
            return self.reasons[key]
        if key in self.fields:
            return None
        return self.reason or 'the layer was not run on a strip'


def theory_of(
    theory: Theory | None, key: str, at_unit: bool
) -> FieldAndReason:
    """A result's field, and why there is none or only a bound.

    Args:
        theory (Theory, optional): None where no field was looked for.
        key (str): The result's key, a layer's or ``'layer:class'``.
        at_unit (bool): Whether the target scores one unit.
    """
    if theory is None:
        return None, None
    if not at_unit:
        return None, 'it belongs to one unit, and this map does not'
    layer = key.split(':')[0]
    return theory.fields.get(layer), theory.why(layer)


def held_against(
    theory: FieldAndReason,
    gradient: np.ndarray,
    pixel: tuple[float, float],
    known: bool,
) -> FieldAndReason:
    """A field, unless the measured map lies beyond it.

    A model that does otherwise on large images than on strips (that halves
    them, or rolls them) has another field than the search has found.

    Args:
        theory (tuple): The field and its reason.
        gradient (ndarray): The measured map, (H, W).
        pixel (tuple[float, float]): The unit's input pixel.
        known (bool): Whether that pixel is known; else sizes are compared.
    """
    support, _ = theory
    if support is None or support.size is None or not gradient.any():
        return theory
    rows, columns = (axis for axis in np.nonzero(gradient))
    ends = [rows.min(), rows.max(), columns.min(), columns.max()]
    top, bottom, left, right = support.box(pixel) or (0.0, 0.0, 0.0, 0.0)
    beyond = [top - ends[0], ends[1] - bottom, left - ends[2], ends[3] - right]
    if not known:
        beyond = [
            ends[1] - ends[0] + 1 - support.size[0],
            ends[3] - ends[2] + 1 - support.size[1],
        ]
    if max(beyond) <= 1:
        return theory
    return None, 'the measured map lies beyond the field found on strips'


def missing_notes(
    theory_of_key: Callable[[str], FieldAndReason],
    keys: Iterable[str],
) -> list[str]:
    """Notes on results without a field, one for each reason.

    Args:
        theory_of_key (callable): Gives a result's field and its reason.
        keys (iterable of str): The results' keys.

    Example:
        >>> missing_notes(lambda key: (None, 'no gradient'), ['a', 'b'])
        ['no theoretical field of a, b: no gradient']
    """
    layers: dict[str, list[str]] = {}
    for key in keys:
        support, why = theory_of_key(key)
        if support is None and why is not None:
            layers.setdefault(why, []).append(key)
    return [
        f'no theoretical field of {", ".join(some)}: {why}'
        for why, some in layers.items()
    ]
