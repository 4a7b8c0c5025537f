from dataclasses import replace

from mmerf.apis import ERFRun
from mmerf.apis.write_outputs import write_report
from mmerf.plots.map import plot_map
from mmerf.plots.table import OVERVIEWS, Overview


def test_a_profile_is_drawn_of_fields_only(make_result, tmp_path):
    field = make_result()
    attention = replace(field, kind='attention')
    drawn = [name for name, one in OVERVIEWS.items() if one.attention]
    assert 'erf' in drawn and 'profile' not in drawn
    for name, results, overviews in (
        ('fields', {'a': field}, OVERVIEWS),
        ('attention', {'a': attention}, drawn),
    ):
        expected = ['erf.json', *(f'{one}.png' for one in overviews)]
        files = write_report(ERFRun(results), tmp_path / name)
        assert [path.name for path in files] == [*expected, 'a.npz', 'a.png']
        found = sorted(path.name for path in (tmp_path / name).iterdir())
        assert found == sorted(path.name for path in files)


def test_a_new_overview_is_one_line_in_the_table(
    make_result, tmp_path, monkeypatch
):
    drawn = []

    def first_map(results, style):
        drawn.append((list(results), style['cmap']))
        return plot_map(next(iter(results.values())), **style)[0]

    monkeypatch.setitem(OVERVIEWS, 'first', Overview(first_map, False))
    field = make_result()
    results = {'seen': replace(field, kind='attention'), 'field': field}
    files = write_report(ERFRun(results), tmp_path, cmap='gray')
    names = [path.name for path in files[: 1 + len(OVERVIEWS)]]
    assert names[:2] == ['erf.json', 'erf.png'] and 'first.png' in names
    assert drawn == [(['field'], 'gray')]
