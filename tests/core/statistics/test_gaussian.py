import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from mmerf import ERFResult
from mmerf.core.statistics.gaussian import fit, moments


def bell(shape, center, sigma, rho=0.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    u, v = (y - center[0]) / sigma[0], (x - center[1]) / sigma[1]
    return np.exp(-(u * u - 2 * rho * u * v + v * v) / (2 * (1 - rho**2)))


@pytest.mark.parametrize('shape', [(101, 101), (100, 120), (90, 201)])
@pytest.mark.parametrize('scale', [1, 1e-9, 1e9])
def test_known_sigmas_on_any_canvas(shape, scale):
    center, sigma = (47.3, 52.6), (6.0, 9.0)
    map_hw = bell(shape, center, sigma) * scale
    by_moments, fitted = moments(map_hw), fit(map_hw)
    assert by_moments.center == pytest.approx(center, abs=1e-3)
    assert by_moments.sigma == pytest.approx(sigma, rel=1e-3)
    assert fitted.center == pytest.approx(center, abs=1e-6)
    assert fitted.sigma == pytest.approx(sigma, rel=1e-6)
    assert fitted.r2 == pytest.approx(1)
    statistics = ERFResult.from_map(map_hw).statistics()['gaussian']
    assert statistics['anisotropy'] == pytest.approx(6 / 9, rel=1e-3)
    assert statistics['orientation'] == pytest.approx(0, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.floats(-89, 89), st.floats(1.5, 3))
def test_orientation_is_the_long_axis(angle, ratio):
    """A bell turned by a known angle, from its own formula."""
    turn = np.radians(angle)
    y, x = np.mgrid[-60:61, -60:61]
    along = x * np.cos(turn) + y * np.sin(turn)
    across = -x * np.sin(turn) + y * np.cos(turn)
    map_hw = np.exp(-((along / (6 * ratio)) ** 2 + (across / 6) ** 2) / 2)
    found = moments(map_hw).orientation
    difference = (found - angle + 90) % 180 - 90
    assert abs(difference) < 0.5


def test_cut_off_bells_are_fitted_where_moments_shrink():
    map_hw = bell((61, 61), (0, 30), (20, 8))
    assert moments(map_hw).sigma[0] < 15
    assert fit(map_hw).sigma == pytest.approx((20, 8), rel=1e-6)


def test_correlated_axes():
    fitted = fit(bell((121, 121), (60, 60), (10, 14), rho=0.6))
    assert fitted.correlation == pytest.approx(0.6, abs=1e-6)
    assert fitted.sigma == pytest.approx((10, 14), rel=1e-6)


def test_a_narrow_peak_on_a_wide_tail_is_found():
    map_hw = bell((200, 200), (100, 100), (4, 4)) + 0.01 * bell(
        (200, 200), (100, 100), (60, 60)
    )
    fitted = fit(map_hw)
    assert fitted.sigma == pytest.approx((4, 4), rel=0.1)
    assert moments(map_hw).sigma[0] > 20
    assert 0.9 < fitted.r2 < 1


def test_least_squares_beats_its_neighbours():
    rng = np.random.default_rng(0)
    map_hw = bell((41, 61), (18, 33), (5, 8)) + 0.1 * rng.random((41, 61))
    fitted = fit(map_hw)

    def cost(sigma, center):
        shape = bell(map_hw.shape, center, sigma, fitted.correlation)
        amplitude = (shape * map_hw).sum() / (shape**2).sum()
        return ((map_hw - amplitude * shape) ** 2).sum()

    best = cost(fitted.sigma, fitted.center)
    spread = ((map_hw - map_hw.mean()) ** 2).sum()
    assert fitted.r2 == pytest.approx(1 - best / spread, abs=1e-6)
    for change in (0.98, 1.02):
        sy, sx = fitted.sigma
        assert cost((sy * change, sx), fitted.center) > best
        assert cost((sy, sx * change), fitted.center) > best


def test_composed_kernels_have_the_sigma_of_the_formula():
    """Variance of n uniform k-tap layers: n (k^2 - 1) / 12."""
    for taps, sigma in ((3, 2.582), (5, 4.472), (7, 6.325)):
        line = np.ones(1)
        for _ in range(10):
            line = np.convolve(line, np.ones(taps))
        found = moments(np.outer(line, line)).sigma
        assert found == pytest.approx((sigma, sigma), abs=5e-4)


def test_shapes_without_a_gaussian_are_none_not_a_crash():
    one = np.zeros((9, 9))
    one[4, 4] = 1
    found = ERFResult.from_map(one).statistics()['gaussian']
    assert found['fit'] is None and found['anisotropy'] is None
    assert found['orientation'] is None
    uniform = ERFResult.from_map(np.ones((9, 9))).statistics()['gaussian']
    assert uniform['fit'] is None and uniform['anisotropy'] == 1
    line = ERFResult.from_map(np.ones((1, 9))).statistics()['gaussian']
    assert line['fit'] is None and line['orientation'] == 0


@pytest.mark.parametrize('side', [128, 160, 255])
@pytest.mark.parametrize('power', [1, 3])
def test_maps_that_rise_to_an_edge_are_no_crash(side, power):
    """Their optimum lies beyond all bounds, for blocks as for pixels."""
    y, x = np.mgrid[:side, :side] / side
    for rise in (y, y**2, 1 - x, x + y):
        gaussian = ERFResult.from_map(np.exp(power * rise))
        found = gaussian.statistics(['gaussian'])['gaussian']
        assert found['fit'] is None or found['fit']['r2'] <= 1


@pytest.mark.parametrize('sigma', [(6, 7), (60, 90)])
def test_large_maps_are_fitted_as_exactly(sigma):
    """Of 1024 x 1600: narrow ones as they are, wide ones in blocks."""
    map_hw = bell((1024, 1600), (500.4, 801.7), sigma, rho=0.3)
    fitted = fit(map_hw)
    assert fitted.center == pytest.approx((500.4, 801.7), abs=0.01)
    assert fitted.sigma == pytest.approx(sigma, rel=1e-3)
    assert fitted.correlation == pytest.approx(0.3, abs=2e-3)
    assert fitted.r2 == pytest.approx(1, abs=1e-4)


def rough(shape, center, sigma, tail):
    """A bell of single images' roughness on a tail that is no Gaussian."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    far = np.hypot(y - center[0], x - center[1])
    smooth = bell(shape, center, sigma, 0.3)
    return smooth * rng.exponential(size=shape) + tail * np.exp(-far / 40)


@pytest.mark.parametrize(
    'shape, sigma, tail',
    [
        ((70, 60), (5, 8), 0.01),
        ((240, 300), (4, 4), 0.02),  # narrower than a block of means
        ((240, 300), (30, 45), 0.02),
        ((300, 240), (80, 60), 0.3),
    ],
)
def test_the_optimum_is_that_of_a_fit_of_every_pixel(shape, sigma, tail):
    """SciPy's ``curve_fit`` of the map's pixels, derivatives by differences.

    Its sigmas and correlation come from the entries of the precision matrix,
    in which mmerf does not fit.
    """
    center = (shape[0] / 2 - 3, shape[1] / 2 + 5)
    map_hw = rough(shape, center, sigma, tail)
    y, x = (axis.ravel() for axis in np.mgrid[: shape[0], : shape[1]])

    def height(_, a, cy, cx, yy, yx, xx):
        u, v = (y - cy) / sigma[0], (x - cx) / sigma[1]
        return a * np.exp(-(yy * u * u + 2 * yx * u * v + xx * v * v) / 2)

    best, _ = curve_fit(
        height, None, map_hw.ravel(), (1, *center, 1, 0, 1),
        ftol=1e-14, xtol=1e-14, gtol=1e-14, maxfev=5000,
    )  # fmt: skip
    covariance = np.linalg.inv([[best[3], best[4]], [best[4], best[5]]])
    sigmas = np.sqrt(covariance.diagonal())
    wrong = height(None, *best) - map_hw.ravel()
    spread = ((map_hw - map_hw.mean()) ** 2).sum()
    fitted = fit(map_hw)
    assert fitted.r2 == pytest.approx(1 - wrong @ wrong / spread, abs=1e-9)
    assert fitted.sigma == pytest.approx(sigmas * sigma, rel=1e-6)
    assert fitted.center == pytest.approx(best[1:3], abs=1e-5)
    assert fitted.correlation == pytest.approx(
        covariance[0, 1] / sigmas.prod(), abs=1e-6
    )


def test_a_fit_costs_as_much_as_some_exponentials_of_the_map():
    """In CPU time of all threads; an equation per pixel took 600 of them."""
    map_hw = rough((512, 512), (256, 256), (30, 30), 0.01)

    def seconds(work):
        times = []
        for _ in range(3):
            start = time.process_time()
            work(map_hw)
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(fit) < 100 * seconds(np.exp)
