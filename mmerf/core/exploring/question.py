"""What is asked of a unit: which score, and how it is shared out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..attributions.base import Attribution
from ..build import build_target_and_attribution
from ..errors import ConfigError
from ..grid.coordinates import UnitYX
from ..targets.base import Target


@dataclass(frozen=True)
class Question:
    """A target that any unit can have, and an attribution by one gradient.

    Attributes:
        target (Target): What is scored; its own unit does not matter.
        attribution (Attribution): Makes the map of one gradient.
    """

    target: Target
    attribution: Attribution

    def at(self, unit: UnitYX) -> Target:
        """The target at a unit (y, x) of a layer's grid."""
        moved = self.target.moved_to(*unit)
        assert moved is not None, 'it was checked'
        return moved


def build_question(
    target: Any, attribution: Any, classes: Sequence[str] | None = None
) -> Question:
    """Build a question, checked.

    Args:
        target, attribution: As for :func:`mmerf.measure_erf`.
        classes (sequence of str, optional): Names of the classes, if known.

    Raises:
        ConfigError: If one does not exist, the attribution runs the model
            again for a map, or the target is not about one unit and score.
    """
    scored, method = build_target_and_attribution(target, attribution)
    _check_one_gradient(method)
    if scored.moved_to(0, 0) is None:
        raise ConfigError(
            f'the target {type(scored).__name__} is not about one unit, which '
            'a click could choose; use CentreUnit (any unit) or ClassUnit'
        )
    scored.check_classes(classes)
    labels = scored.result_labels(classes)
    if labels is None or len(labels) != 1:
        raise ConfigError(
            'one class is shown at a time; name one: dict(type="ClassUnit", '
            'classes=[0]), on the command line --target ClassUnit '
            '--target-options classes=0'
        )
    return Question(scored, method)


def _check_one_gradient(attribution: Attribution) -> None:
    if not attribution.one_gradient:
        raise ConfigError(
            f'the attribution {type(attribution).__name__} runs the model '
            'again for each map, and the explorer runs it once; choose '
            'InputGradient, RepLKNet, VMamba, MambaIR or Luo here, or measure '
            'one unit with tools/erf.py --target pixel=Y,X'
        )
