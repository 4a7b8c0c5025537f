"""What is asked of a model: a target and an attribution that fit together."""

from __future__ import annotations

from typing import Any

from .attributions import ATTRIBUTIONS
from .targets import build, build_target


def build_question(target: Any, attribution: Any) -> tuple[Any, Any]:
    """Make a target and an attribution from what a config says.

    The attribution may bring its own default target (Grad-CAM), and may say
    whether outputs pass a ReLU (the published definitions).

    Args:
        target: An object, a name, ``dict(type=...)``, a list of those for
            one an image, or None.
        attribution: Likewise, but no list.

    Returns:
        tuple: Both, built.

    Raises:
        ConfigError: If one does not exist, or they contradict each other.

    Example:
        >>> build_question(None, 'MambaIR')[0].relu
        False
    """
    how = build(attribution, ATTRIBUTIONS, 'InputGradient')
    if target is None:
        target = getattr(how, 'default_target', None)
    return build_target(target, relu=getattr(how, 'relu', None)), how


def needs_labels(target: Any) -> bool:
    """Whether a built target has to be told the ground truth."""
    return 'labels' in getattr(target, 'needs', ())
