"""Every combination of some settings, measured and compared."""

from .sweep import Sweep, sweep_erf

__all__ = ['Sweep', 'sweep_erf']
