"""Variants of a network, measured and compared.

``sweep`` varies config keys; all combinations see the same images, and a unit
at the same input pixel. ``each_without`` switches off one module after the
other, and ``changes`` says what that does.
"""

from .each_without import erf_each_without
from .sweep import sweep_erf
from .variants import Sweep

__all__ = ['Sweep', 'erf_each_without', 'sweep_erf']
