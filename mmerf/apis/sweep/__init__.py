"""Variants of a network, measured and compared.

``sweep`` varies config keys; all combinations see the same images, and a unit
at the same input pixel. ``each_without`` switches off one module after the
other, and ``changes`` says what that does.
"""

from typing import TYPE_CHECKING

from ..._lazy import exported

if TYPE_CHECKING:
    from .each_without import erf_each_without
    from .sweep import sweep_erf
    from .variants import Sweep

__all__ = ['Sweep', 'erf_each_without', 'sweep_erf']
__getattr__, __dir__ = exported(
    __name__,
    {
        'Sweep': '.variants',
        'erf_each_without': '.each_without',
        'sweep_erf': '.sweep',
    },
)
