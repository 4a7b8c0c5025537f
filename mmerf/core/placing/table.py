"""The rules by the names of aten operations, overloads aside."""

from __future__ import annotations

from .call import Rule
from .mixing_rules import MIXING_RULES
from .resize_rules import FOLLOW_RESIZE
from .slice_rules import SLICE_RULES
from .view_rules import VIEW_RULES
from .window_rules import WINDOW_RULES

RULES: dict[str, Rule] = {
    **VIEW_RULES,
    **SLICE_RULES,
    **WINDOW_RULES,
    **FOLLOW_RESIZE,
    **MIXING_RULES,
}
