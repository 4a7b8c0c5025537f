"""Attributions: how a score is shared out over input pixels, one per file.

``base`` declares what an attribution is; ``table`` lists all attributions.
May import: ``gradient``, ``running``, ``targets``, ``layers``, ``grid``,
``batch``, ``errors``.
"""

from .base import Attribution, LayerMaps
from .input_gradient import InputGradient
from .table import ATTRIBUTIONS

__all__ = ['ATTRIBUTIONS', 'Attribution', 'InputGradient', 'LayerMaps']
