"""Which layers a sweep does not change, and how its figure says so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.apis.compare.comparison import comparison_of, write_comparison
from mmerf.apis.sweep.notes import unchanged_layers


def bell(width):
    y, x = np.mgrid[-15:16, -15:16]
    return ERFResult.from_map(np.exp(-(y * y + x * x) / width))


def runs(*every):
    return {
        str(i): SimpleNamespace(results=results)
        for i, results in enumerate(every)
    }


@pytest.mark.parametrize(
    ('every', 'expected'),
    [
        ([{'a': bell(9), 'b': bell(9)}, {'a': bell(9), 'b': bell(8)}], ['a']),
        ([{'a': bell(9), 'b': bell(9)}, {'a': bell(9)}], ['a']),
        ([{'a': bell(9)}, {'a': bell(9)}], []),  # something has to be shown
        ([{'a': bell(9), 'b': bell(9)}], []),  # of one run
        ([{'a': bell(9), 'b': bell(9)}, {'b': bell(8)}], []),
    ],
)
def test_layers_with_the_same_map_in_every_run(every, expected):
    assert unchanged_layers(runs(*every)) == expected


def test_maps_are_the_same_to_a_millionth_of_the_peak_about_one_pixel():
    one, scaled = bell(9), replace(bell(9), map=bell(9).map * (1 + 1e-7))
    for other, same in (
        (scaled, ['a']),
        (replace(one, map=one.map * (1 + 1e-4)), []),
        (replace(one, unit_pixel=(14.0, 15.0)), []),
        (ERFResult.from_map(np.ones((9, 9))), []),
    ):
        found = runs({'a': one, 'b': one}, {'a': other, 'b': bell(2)})
        assert unchanged_layers(found) == same


def test_the_figure_names_them_and_the_tables_have_them(tmp_path):
    comparison = comparison_of(
        {'x=1': {'a': bell(9), 'b': bell(9)},
         'x=2': {'a': bell(9), 'b': bell(8)}}
    )  # fmt: skip
    comparison = replace(comparison, unchanged=['a'])
    figure, markdown, *_ = write_comparison(comparison, tmp_path / 'sweep.svg')
    assert 'not shown, the same in all: a' in figure.read_text()
    assert markdown.read_text().count('| a |') == 2
