"""Config keys and their values -> every combination, measured and compared.

All combinations see the same images, and a unit at the same input pixel.
"""

from .sweep import Sweep, sweep_erf

__all__ = ['Sweep', 'sweep_erf']
