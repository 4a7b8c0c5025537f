"""Errors and bounds as people read them."""

import math

import pytest

from mmerf.core.statistics.texts import lower_bound, with_error


@pytest.mark.parametrize('form', ['.0f', '.1f', '.2f', '.3f', '.2g'])
@pytest.mark.parametrize(
    'error', [0.0, 1e-9, 0.0004, 0.021, 0.049, 0.05, 0.4, 3.14, 12.0]
)
def test_an_error_reads_zero_only_if_it_is_zero(error, form):
    text = with_error('9', error, form)
    number, _, shown = text.partition(' ± ')
    assert number == '9'
    assert (float(shown) == 0) == (error == 0)
    assert float(shown) == pytest.approx(error, rel=0.3, abs=0.05 * (
        error >= 0.05) + (0.5 if form == '.0f' and error >= 0.5 else 0)
    )  # fmt: skip


def test_no_error_is_not_written():
    assert with_error('9', None) == with_error('9', math.nan) == '9'


def test_a_bound_is_marked():
    assert lower_bound(9) == '≥ 9' and lower_bound('9', bound=False) == '9'
