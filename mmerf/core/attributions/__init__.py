"""Attributions: (forward, inputs, target, layers) -> per-image maps."""

from collections.abc import Callable

from .input_gradient import InputGradient, LayerMaps

ATTRIBUTIONS: dict[str, Callable] = {'InputGradient': InputGradient}

__all__ = ['ATTRIBUTIONS', 'InputGradient', 'LayerMaps']
