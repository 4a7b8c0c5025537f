"""A Gaussian's least-squares problem on a map, in seven equations.

The Jacobian of a Gaussian is the Gaussian itself times polynomials of degree
two, so that its normal equations are sums of powers. Their root has the same
cost, gradient and Gauss-Newton steps as one equation per pixel.
"""

from __future__ import annotations

import numpy as np

_REACH = 8.7  # sigmas beyond which exp(-reach^2 / 2) is less than rounding
_POWERS = np.array([(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
_SINGULAR = 1e-14  # of the largest eigenvalue


class BellEquations:
    """Residual and Jacobian of a Gaussian against a map, reduced.

    Parameters are amplitude, centre y and x, sigma y and x, and correlation.

    Args:
        map_hw (np.ndarray): Shape (H, W).

    Example:
        >>> equations = BellEquations(np.ones((3, 3)))
        >>> float((equations.residual([0, 1, 1, 1, 1, 0]) ** 2).sum())
        9.0
    """

    def __init__(self, map_hw: np.ndarray) -> None:
        self._map = map_hw
        self._squares = float(np.einsum('yx,yx->', map_hw, map_hw))
        self._last: tuple[bytes, np.ndarray, np.ndarray] | None = None

    def residual(self, p: np.ndarray) -> np.ndarray:
        """Seven numbers; their squares' sum is that of all pixels' residuals.

        Args:
            p (np.ndarray): The six parameters.
        """
        return self._at(p)[0]

    def jacobian(self, p: np.ndarray) -> np.ndarray:
        """Shape (7, 6); its products are those of the whole Jacobian."""
        return self._at(p)[1]

    def _at(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = np.asarray(p, dtype=float)
        if self._last is None or self._last[0] != p.tobytes():
            self._last = (p.tobytes(), *self._reduce(p))
        return self._last[1:]

    def _reduce(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, u = _near(p[1], p[3], self._map.shape[0])
        columns, v = _near(p[2], p[4], self._map.shape[1])
        bell = _bell(u, v, p[5])
        with_map = _moments(bell * self._map[rows, columns], u, v, 2)
        bell *= bell
        own = _moments(bell, u, v, 4)
        cost = self._squares + p[0] * (p[0] * own[0, 0] - 2 * with_map[0, 0])
        factors, (y, x) = _factors(p), _POWERS.T
        gram = factors @ own[y[:, None] + y, x[:, None] + x] @ factors.T
        gradient = factors @ (p[0] * own[:3, :3] - with_map)[y, x]
        return _root(gram, gradient, cost)


def _near(
    center: float, sigma: float, length: int
) -> tuple[slice, np.ndarray]:
    """Pixels of an axis within reach, and their distances in sigmas."""
    first = int(np.clip(center - _REACH * sigma, 0, length - 1))
    last = int(np.clip(center + _REACH * sigma, 0, length - 1))
    return slice(first, last + 1), (
        np.arange(first, last + 1) - center
    ) / sigma


def _bell(u: np.ndarray, v: np.ndarray, rho: float) -> np.ndarray:
    """A Gaussian of height 1 at scaled distances down and across."""
    power = np.multiply.outer(u * (rho / (1 - rho * rho)), v)
    power -= (u * u / (2 * (1 - rho * rho)))[:, None]
    power -= v * v / (2 * (1 - rho * rho))
    return np.exp(power, out=power)


def _factors(p: np.ndarray) -> np.ndarray:
    """Each derivative's polynomial, shape (parameter, power of u and v)."""
    a, _, _, sy, sx, rho = p
    rest = 1 - rho * rho
    y, x = a / (sy * rest), a / (sx * rest)
    turn = a / (rest * rest)
    return np.array(
        [
            [1, 0, 0, 0, 0, 0],
            [0, y, -rho * y, 0, 0, 0],
            [0, -rho * x, x, 0, 0, 0],
            [0, 0, 0, y, -rho * y, 0],
            [0, 0, 0, 0, -rho * x, x],
            [0, 0, 0, -rho * turn, (1 + rho * rho) * turn, -rho * turn],
        ]
    )


def _moments(
    weights: np.ndarray, u: np.ndarray, v: np.ndarray, most: int
) -> np.ndarray:
    """Sums of weights times u^i v^j, shape (most + 1, most + 1).

    Without BLAS, whose threads take longer to start than this takes.
    """
    by_row = np.stack(
        [np.einsum('yx,x->y', weights, v**j) for j in range(most + 1)]
    )
    powers = np.stack([u**i for i in range(most + 1)])
    return np.einsum('iy,jy->ij', powers, by_row)


def _root(
    gram: np.ndarray, gradient: np.ndarray, cost: float
) -> tuple[np.ndarray, np.ndarray]:
    """Residual and Jacobian of seven rows with these products."""
    scale = np.sqrt(gram.diagonal())
    scale[scale == 0] = 1
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    seen = values > _SINGULAR * values[-1]
    roots = np.sqrt(np.where(seen, values, 0))
    turned = vectors.T @ (gradient / scale)
    residual = np.where(seen, turned, 0) / np.where(seen, roots, 1)
    rest = max(cost - float((residual**2).sum()), 0.0)
    jacobian = roots[:, None] * vectors.T * scale
    return (
        np.append(residual, np.sqrt(rest)),
        np.vstack([jacobian, np.zeros(len(gradient))]),
    )
