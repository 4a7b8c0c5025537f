import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.apis.compare.area_ratios import as_area_ratios
from mmerf.apis.compare.comparison import comparison_of
from mmerf.apis.compare.table_files import table_rows

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())
SHARES = ('0.2', '0.3', '0.5', '0.99')


def tables(runs):
    """Both tables: their lines between rules, as cells."""
    text = as_area_ratios(comparison_of(runs).rows())
    found = []
    for table in text.split('\n\n'):
        body = re.search(r'\\midrule\n(.*)\\bottomrule', table, re.S)[1]
        lines = body.splitlines()
        assert all(line.endswith(r' \\') for line in lines)
        found.append([re.split(r'(?<!\\) & ', line[:-3]) for line in lines])
    return text, *found


def slow_ratio(map_hw, share):
    """Squares about the middle one by one, from one pixel on."""
    h, w = map_hw.shape
    for reach in range(max(h, w)):
        part = map_hw[
            max(h // 2 - reach, 0) : h // 2 + reach + 1,
            max(w // 2 - reach, 0) : w // 2 + reach + 1,
        ]
        if part.sum() >= share * map_hw.sum():
            return part.size / map_hw.size


@pytest.mark.parametrize('scale', [1, 1e6])
def test_published_maps(scale):
    maps = {
        name: np.load(DATA / f'{name}.npz')['map'] * scale
        for name in PUBLISHED
    }
    _, raw, replknet = tables(
        {name: {'a': ERFResult.from_map(m)} for name, m in maps.items()}
    )
    for name, one, other in zip(maps, raw, replknet, strict=True):
        assert one[0] == other[0] == name.replace('_', r'\_')
        sides = PUBLISHED[name][f'replknet_side_of_map_times_{scale:g}']
        for share, mine, theirs in zip(
            SHARES, one[1:], other[1:], strict=True
        ):
            expected = 100 * slow_ratio(maps[name], float(share))
            assert float(mine) == pytest.approx(expected, rel=0.005)
            assert len(mine.replace('.', '').lstrip('0')) == 3
            if sides[share] is None:
                assert theirs == '-'
            else:
                ratio = 100 * (sides[share] / 224) ** 2
                assert float(theirs) == pytest.approx(ratio, rel=0.005)


def test_structure_of_a_tabular(make_result):
    runs = {
        r'a_b & 5 %': {'x': make_result('x'), 'y': make_result('y')},
        '[c] d': {'x': make_result('x')},
        'none': {},
    }
    text, raw, replknet = tables(runs)
    assert text.count(r'\begin{tabular}{llrrrr}') == 2
    assert text.count(r'\end{tabular}') == text.count(r'\toprule') == 2
    assert text.count('{') == text.count('}')
    assert text.count(r'\multicolumn{4}{c}') == 2
    head = r'model & layer & $t = 20\,\%$ & $t = 30\,\%$ & $t = 50\,\%$'
    assert text.count(head) == 2
    for table in (raw, replknet):
        assert {len(line) for line in table} == {6}
        assert [line[0] for line in table] == [
            r'a\_b \& 5 \%', r'a\_b \& 5 \%', '{}[c] d', '{}[c] d', 'none',
        ]  # fmt: skip
        assert table[3][2:] == table[4][2:] == ['-'] * 4
    assert all(
        line.startswith('% Area ratios r of squares')
        for line in text.splitlines()
        if line.startswith('%')
    )


def test_shares_of_the_runs_and_one_layer(make_result):
    one = replace(make_result(), shares=(0.683,))
    text, raw, _ = tables({'one': {'a': one}})
    assert r'\begin{tabular}{lr}' in text and r'$t = 68.3\,\%$' in text
    assert len(raw) == 1 and len(raw[0]) == 2
    assert 'layer' not in text


def test_without_any_number_there_is_still_a_table(make_result):
    seen = replace(make_result(), kind='attention')
    text = as_area_ratios(comparison_of({'cam': {'a': seen}}).rows())
    assert text.count('cam & - & - & - & - \\\\') == 2
    text = as_area_ratios(table_rows({'none': {}}, ['a'], {'none': 'why'}))
    assert text.count('model \\\\') == text.count('none \\\\') == 2
