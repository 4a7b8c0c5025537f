"""What a measurement has found, for a later one of the same model."""

from __future__ import annotations

from ..windows.plans import Known, structure_of
from .execute import Passes


def found_by(passes: Passes) -> Known | None:
    """What passes have found; None with modules off."""
    if passes.switched_off.requested:
        return None
    structure = structure_of(passes.model, passes.layers)
    return Known(structure, passes.plans, passes.layout.error)


def carry_over(passes: Passes, earlier: Known) -> bool:
    """Take over what a measurement has found that is over.

    Returns:
        bool: False if it measured another model, other layers or a model
        whose module tree has changed; nothing is taken over then.
    """
    structure = structure_of(passes.model, passes.layers)
    known = structure is not None and structure == earlier.structure
    if passes.switched_off.requested or not known:
        return False
    passes.plans.carry_over(earlier.plans)
    passes.layout.error = earlier.layout_error
    return True
