"""Seven equations in place of one per pixel."""

import numpy as np
import pytest

from mmerf.core.statistics.bell_equations import BellEquations


def residual(map_hw, p):
    """One equation per pixel, from the Gaussian's covariance matrix."""
    a, cy, cx, sy, sx, rho = p
    covariance = [[sy * sy, rho * sy * sx], [rho * sy * sx, sx * sx]]
    y, x = np.mgrid[: map_hw.shape[0], : map_hw.shape[1]]
    away = np.stack([y - cy, x - cx], axis=-1)
    power = np.einsum(
        '...i,ij,...j->...', away, np.linalg.inv(covariance), away
    )
    return (a * np.exp(-power / 2) - map_hw).ravel()


def jacobian(map_hw, p, step=1e-5):
    """By central differences."""
    columns = []
    for place in range(6):
        change = np.zeros(6)
        change[place] = step
        after, before = (
            residual(map_hw, p + change),
            residual(map_hw, p - change),
        )
        columns.append((after - before) / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    'p',
    [
        (0.9, 14, 21, 5, 8, 0.0),
        (1.3, 10.4, 30.2, 3, 9, -0.7),
        (0.4, -3, 50, 20, 4, 0.9),  # its centre is outside
        (1, 20, 20, 0.7, 0.6, 0.2),  # most pixels are out of its reach
        (0, 14, 21, 5, 8, 0.3),  # nothing of it is seen
    ],
)
def test_cost_gradient_and_products_are_those_of_all_pixels(p):
    map_hw = np.random.default_rng(0).random((34, 47)) ** 4
    p = np.array(p, dtype=float)
    equations = BellEquations(map_hw)
    few, small = equations.residual(p), equations.jacobian(p)
    many, tall = residual(map_hw, p), jacobian(map_hw, p)
    assert few.shape == (7,) and small.shape == (7, 6)
    assert few @ few == pytest.approx(many @ many, rel=1e-9)
    scale = np.linalg.norm(tall, axis=0) + 1e-12
    np.testing.assert_allclose(
        small.T @ few / scale, tall.T @ many / scale, atol=1e-6
    )
    np.testing.assert_allclose(
        small.T @ small / np.outer(scale, scale),
        tall.T @ tall / np.outer(scale, scale),
        atol=1e-6,
    )


def test_a_perfect_fit_has_no_residual():
    y, x = np.mgrid[:40, :50]
    map_hw = np.exp(-(((y - 18) / 4) ** 2 + ((x - 27) / 6) ** 2) / 2)
    found = BellEquations(map_hw).residual(np.array([1, 18, 27, 4, 6, 0.0]))
    assert np.abs(found).max() < 1e-6
