"""Normalisations and colours of figures; stored maps are always raw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...core.errors import ConfigError

CMAP = 'inferno'


def power(map_hw: np.ndarray, peak: float) -> np.ndarray:
    """(x / max)^0.2, as in VMamba's figures; scale invariant."""
    return (map_hw / peak) ** 0.2


def log10(map_hw: np.ndarray, peak: float) -> np.ndarray:
    """Logarithm of x + 1, over its maximum (Ding et al. 2022)."""
    return np.log1p(map_hw) / np.log1p(peak)


def sqrt(map_hw: np.ndarray, peak: float) -> np.ndarray:
    """(x / max)^0.5."""
    return np.sqrt(map_hw / peak)


def linear(map_hw: np.ndarray, peak: float) -> np.ndarray:
    """X / max."""
    return map_hw / peak


NORMALIZATIONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'power': power,
    'log10': log10,
    'sqrt': sqrt,
    'linear': linear,
}
LABELS = {
    'power': r'(contribution / max)$^{0.2}$',
    'log10': r'log$_{10}$(contribution + 1) / max',
    'sqrt': r'(contribution / max)$^{0.5}$',
    'linear': 'contribution / max',
}
# Of a colour bar that ends at its map's largest contribution.
ABSOLUTE_LABELS = {
    'power': r'contribution, colours x$^{0.2}$',
    'log10': r'contribution, colours log$_{10}$(x + 1)',
    'sqrt': r'contribution, colours x$^{0.5}$',
    'linear': 'contribution',
}


def normalize(map_hw: np.ndarray, name: str = 'power') -> np.ndarray:
    """Normalise a raw map to [0, 1] for a figure.

    Args:
        map_hw (np.ndarray): Raw map, shape (H, W), >= 0.
        name (str): 'power', 'log10', 'sqrt' or 'linear'.

    Returns:
        np.ndarray: Same shape, in [0, 1]; an all-zero map stays zero.

    Raises:
        ConfigError: If ``name`` is no known normalisation.

    Example:
        >>> normalize(np.array([[0.0, 4.0]]), 'sqrt')
        array([[0., 1.]])
    """
    check_normalization(name)
    peak = float(map_hw.max())
    if peak == 0:
        return np.zeros_like(map_hw)
    return NORMALIZATIONS[name](map_hw, peak)


def check_normalization(name: str) -> str:
    """Return the name; raise ConfigError if no normalisation has it."""
    if name not in list(NORMALIZATIONS):
        raise ConfigError(
            f'unknown normalization {name!r}; the known ones are '
            f'{", ".join(NORMALIZATIONS)}'
        )
    return name
