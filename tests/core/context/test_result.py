import json

import numpy as np
import pytest

from mmerf.core.context.result import (
    ContextResult,
    side_from_which,
)
from mmerf.core.errors import ResultError
from mmerf.core.results.over_images import mean_and_stderr

SIDES = (3, 9, 27, 81)


def result_of(keep_flips):
    flips = np.array(keep_flips, dtype=float)
    return ContextResult(
        layer='head',
        sides=SIDES,
        keep_change=flips + 1,
        keep_flips=flips,
        replace_change=flips + 2,
        replace_flips=1 - flips,
        mass=np.linspace(0.1, 1, 41),
        erf_sides={'0.5': {'side': 9, 'stderr': None}},
        images=tuple(f'image {i}' for i in range(len(flips))),
        units=(9,) * len(flips),
        provenance={'seed': 0},
    )


@pytest.mark.parametrize(
    ('shares', 'expected'),
    [
        ([0.3, 0.08, 0.04, 0.0], {0.01: 81, 0.05: 27, 0.1: 9}),
        ([0.0, 0.3, 0.0, 0.02], {0.01: None, 0.05: 27, 0.1: 27}),
        ([0.0, 0.0, 0.0, 0.0], {0.01: 3, 0.05: 3, 0.1: 3}),
        ([0.9, 0.5, 0.4, 0.2], {0.01: None, 0.05: None, 0.1: None}),
        ([0.1, 0.05, 0.01, 0.01], {0.01: 27, 0.05: 9, 0.1: 3}),
    ],
)
def test_the_side_from_which_few_units_flip(shares, expected):
    assert result_of([shares]).flip_sides() == expected
    for threshold, side in expected.items():
        assert side_from_which(SIDES, shares, threshold) == side


def test_flips_are_averaged_over_images_first():
    result = result_of([[0.2, 0.2, 0, 0], [0, 0, 0, 0]])
    assert result.flip_sides() == {0.01: 27, 0.05: 27, 0.1: 3}


def test_rounding_does_not_decide():
    """Nine of 180 units are 5 %, whatever sum of ninths they are."""
    counts = [0, 1, 1, 0, 2, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]
    rows = np.array([[9, count, 0, 0] for count in counts]) / 9
    assert rows.mean(axis=0)[1] > 0.05  # by its last digit
    assert result_of(rows).flip_sides()[0.05] == 9


def test_standard_errors_are_those_of_a_mean():
    values = np.random.default_rng(0).normal(size=(7, 3))
    mean, error = mean_and_stderr(values)
    for column in range(3):
        own = values[:, column]
        deviation = np.sqrt(((own - own.mean()) ** 2).sum() / 6)
        assert error[column] == pytest.approx(deviation / np.sqrt(7))
        assert mean[column] == pytest.approx(sum(own) / 7)
    assert np.isnan(mean_and_stderr(values[:1])[1]).all()


def test_what_is_saved_is_loaded(tmp_path):
    result = result_of([[0.2, 0.1, 0, 0], [0.1, 0, 0, 0]])
    path = result.save(tmp_path / 'context.npz')
    loaded = ContextResult.load(path)
    assert loaded.record() == result.record()
    assert np.array_equal(loaded.mass, result.mass)
    assert np.array_equal(loaded.keep_change, result.keep_change)
    text = json.dumps(result_of([[0.1, 0, 0, 0]]).record(), allow_nan=False)
    assert '"stderr": null' in text


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(ResultError, match='there is no file'):
        ContextResult.load(tmp_path / 'none.npz')
    (tmp_path / 'x.npz').write_bytes(b'x')
    with pytest.raises(ResultError, match='not a whole'):
        ContextResult.load(tmp_path / 'x.npz')
    broken = result_of([[0.1, 0, 0, 0]])
    for name, value in (
        ('sides', (3, 8, 27, 81)),
        ('keep_flips', np.zeros((1, 3))),
        ('mass', np.array([np.nan])),
        ('images', (1,)),
        ('units', ()),
        ('erf_sides', {'0.5': {'side': 'wide', 'stderr': None}}),
    ):
        values = {**vars(broken), name: value}
        path = ContextResult(**values).save(tmp_path / f'{name}.npz')
        with pytest.raises(ResultError, match='no whole context curves'):
            ContextResult.load(path)
