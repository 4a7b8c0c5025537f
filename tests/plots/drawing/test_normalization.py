import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerf.core.errors import ConfigError
from mmerf.plots import NORMALIZATIONS, normalize
from mmerf.plots.drawing.normalization import LABELS


def test_normalisations_as_the_design_defines_them():
    x = np.array([[0.0, 0.5, 2.0]])
    np.testing.assert_allclose(normalize(x), (x / 2) ** 0.2)
    np.testing.assert_allclose(normalize(x, 'sqrt'), (x / 2) ** 0.5)
    np.testing.assert_allclose(normalize(x, 'linear'), x / 2)
    np.testing.assert_allclose(
        normalize(x, 'log10'), np.log10(x + 1) / np.log10(3)
    )
    assert set(LABELS) == set(NORMALIZATIONS)


@given(
    st.sampled_from(sorted(NORMALIZATIONS)),
    st.lists(st.floats(0, 1e300), min_size=4, max_size=4),
)
def test_normalised_maps_end_in_zero_to_one(name, values):
    found = normalize(np.array(values).reshape(2, 2), name)
    assert np.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 1
    if max(values) == 0:
        assert not found.any()
    else:
        assert found.max() == pytest.approx(1)


def test_unknown_normalisations_are_refused():
    with pytest.raises(ConfigError, match='power'):
        normalize(np.ones((2, 2)), 'cube')
