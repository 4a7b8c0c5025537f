"""With what a result was made, and what it means, in words."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch

from ..version import __version__


def in_words(part: Any) -> str:
    """What a target or attribution says of itself; else its name."""
    name = getattr(part, '__name__', type(part).__name__)
    return getattr(part, 'definition', None) or name


def versions() -> dict[str, str]:
    """Versions of mmerf and of what computes the numbers."""
    return {
        'mmerf': __version__,
        'torch': torch.__version__,
        'numpy': np.__version__,
        'python': platform.python_version(),
    }
