import csv
import io
from dataclasses import replace

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.apis.compare.comparison import (
    compare,
    comparison_of,
    write_comparison,
)
from mmerf.apis.compare.growth import write_growth
from mmerf.apis.compare.read_runs import read_run
from mmerf.apis.compare.table_files import (
    as_csv,
    as_latex,
    as_markdown,
    as_text,
    table_rows,
)
from mmerf.core.errors import ConfigError
from mmerf.plots import plot_comparison


def test_runs_of_every_kind(out_dir, training, tmp_path):
    found = compare([out_dir, f'{training}@20', out_dir / 'early.npz'])
    assert list(found.runs) == ['net', 'net, step 20', 'early']
    assert found.layers == ['late[1]', 'early']
    assert found.notes == ['early has no layer late[1]']
    files = write_comparison(found, tmp_path / 'x' / 'all.pdf')
    assert [path.name for path in files] == [
        'all.pdf', 'all.md', 'all.csv', 'all.tex', 'all.areas.tex',
    ]  # fmt: skip
    assert files[0].read_bytes().startswith(b'%PDF')
    rows = list(csv.DictReader(io.StringIO(files[2].read_text())))
    assert len(rows) == 6 and rows[4]['note'] == 'no such layer'


def test_every_number_in_every_table():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, 1, 2), nn.Conv2d(4, 4, 3, 2, 1))
    results = measure_erf(
        net, torch.randn(5, 3, 24, 30), ['0', '1'], theory=True
    )
    rows = table_rows({'run': results}, ['0', '1'])
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    for row, text, result in zip(rows, read, results.values(), strict=True):
        found = result.statistics()
        for share, square in found['centred_square'].items():
            assert row[f'side_{share}'] == square['side']
            assert float(text[f'side_{share}']) == square['side']
            assert float(text[f'area_ratio_{share}']) == square['area_ratio']
            error = found['uncertainty']['side'][share]['stderr']
            assert row[f'side_{share}_stderr'] == error
            for table in (as_markdown(rows), as_latex(rows)):
                sign = '±' if table.startswith('|') else r'$\pm$'
                assert f'{square["side"]} {sign} {error:.1f}' in table
        assert float(text['erf_size']) == found['erf_size']['size']
        assert text['theory'] == str(result.theory)
        y, x = result.unit_pixel
        assert (row['unit_y'], row['unit_x']) == (y, x)
        assert (row['map_h'], row['map_w'], row['images']) == (24, 30, 5)
        ratio = found['centred_square']['0.5']['area_ratio']
        assert f'{ratio * 100:.3g} %' in as_markdown(rows)


def test_tables_survive_any_name(make_result):
    name = r'a_b & 50 % | $x^2$ {~\#}'
    runs = {name: {'a': make_result()}, 'none': {}}
    rows = table_rows(runs, ['a'], {'none': 'no result'})
    tex = as_latex(rows)
    assert (
        r'a\_b \& 50 \% | \$x\textasciicircum{}2\$ '
        r'\{\textasciitilde{}\textbackslash{}\#\}' in tex
    )
    first, _, head, _, *body = tex.splitlines()[:-2]
    columns = len(as_text(rows)[0])
    assert first == r'\begin{tabular}{ll' + 'r' * (columns - 2) + '}'
    for line in (head, *body):
        assert line.replace(r'\&', '').count('&') == columns - 1
        assert line.endswith(r'\\')
    markdown = as_markdown(rows).splitlines()
    bars = {line.replace(r'\|', '').count('|') for line in markdown}
    assert len(bars) == 1 and r'50 % \| $x' in markdown[2]
    assert 'no result' in markdown[3]
    (first, _) = csv.DictReader(io.StringIO(as_csv(rows)))
    assert first['run'] == name


def test_definitions_are_not_mixed_unless_forced(make_result):
    one = make_result()
    other = replace(one, definition={'score': 'something else'})
    runs = {'one': {'a': one}, 'other': {'a': other}}
    with pytest.raises(ConfigError, match=r'score is .*something else'):
        comparison_of(runs)
    forced = comparison_of(runs, force=True)
    assert len(forced.rows()) == 2
    (note,) = forced.notes
    assert 'not comparable: score is' in note and 'something else' in note


def test_growth_does_not_mix_definitions_either(training, tmp_path):
    path = training / 'erf.jsonl'
    text = path.read_text().replace(
        '"definition": {}', '"definition": {"score": "x"}', 1
    )
    path.write_text(text)
    with pytest.raises(ConfigError, match="score is 'x' and None"):
        write_growth([training], tmp_path / 'g.png')
    (file,) = write_growth([training], tmp_path / 'g.svg', force=True)
    assert '<svg' in file.read_text()


def test_single_layers_share_a_column(make_result):
    runs = {'one': {'a': make_result('a')}, 'two': {'b': make_result('b')}}
    found = comparison_of({**runs, 'none': {}}, gaps={'none': 'why not'})
    assert found.layers == [''] and list(found.runs) == [
        'one: a', 'two: b', 'none',
    ]  # fmt: skip
    assert found.notes == ['none: why not']
    assert [row['note'] for row in found.rows()] == ['', '', 'why not']


def test_a_run_without_the_layers_has_results_all_the_same(make_result):
    runs = {'one': {'l1': make_result('l1'), 'l2': make_result('l2')},
            'two': {'l1': make_result('l1')}, 'none': {}}  # fmt: skip
    found = comparison_of(runs, layers=['l2'])
    assert [row['note'] for row in found.rows()] == [
        '', 'no such layer', 'no result',
    ]  # fmt: skip
    assert 'two has no layer l2' in found.notes
    _, axes = plot_comparison(found.runs, layers=found.layers, gaps=found.gaps)
    texts = [[text.get_text() for text in ax.texts] for ax in axes[1:, 0]]
    assert texts == [['no such layer'], ['not measured: no result']]


def test_attention_has_a_note_in_place_of_numbers(make_result):
    seen = replace(make_result(), kind='attention', num_images=7)
    (row,) = comparison_of({'cam': {'a': seen}}).rows()
    assert row['note'] == 'attention: no statistics'
    line = as_markdown([row]).splitlines()[2]
    assert line.startswith('| cam | a: attention: no statistics | - |')
    assert line.endswith('| - | 7 |')


@pytest.mark.parametrize('kind', ['md', 'csv', 'tex', 'areas.tex'])
def test_tables_replace_tables_and_nothing_else(make_result, tmp_path, kind):
    found = comparison_of({'one': {'a': make_result()}, 'two': {}})
    out = tmp_path / 'paper.png'
    for _ in range(2):
        assert len(write_comparison(found, out)) == 5
    out.unlink()
    table = out.with_suffix(f'.{kind}')
    for text in (
        '# A paper', 'run,layer,loss\n', '| run | layer |\n',
        '\\begin{tabular}{llr}\n\\toprule\nrun & layer & loss', '',
    ):  # fmt: skip
        table.write_text(text)
        with pytest.raises(ConfigError, match=r'another --out$'):
            write_comparison(found, out)
        assert table.read_text() == text and not out.exists()


def test_what_differs_is_said(make_result):
    other = make_result(shape=(50, 60), center=(21, 30))
    runs = {'one': {'a': make_result()}, 'two': {'a': other}}
    (note,) = comparison_of(runs).notes
    assert '40 x 60, 50 x 60' in note and 'same scale in pixels' in note
    moved = replace(make_result(center=(20, 34)), num_images=3)
    runs['two']['a'] = moved
    first, second = comparison_of(runs).notes
    assert '1 and 3 images' in first
    assert '(20.0, 30.0)' in second and '(20.0, 34.0)' in second


def test_shares_are_those_of_the_first_run(make_result):
    other = replace(make_result(), shares=(0.9,))
    found = comparison_of({'one': {'a': make_result()}, 'two': {'a': other}})
    first, second = found.rows()
    assert first['side_0.3'] == second['side_0.3']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(names=['x']), '1 name(s) for 2 run(s)'),
        (dict(names=['x', 'x']), 'same name'),
        (dict(layers=['early', 'nothing']), 'they have late[1], early'),
    ],
)
def test_what_does_not_fit(out_dir, training, options, message):
    with pytest.raises(ConfigError) as caught:
        compare([out_dir, training], **options)
    assert message in str(caught.value)


def test_names_for_figures(out_dir, tmp_path):
    found = compare([out_dir])
    for name, message in (('x.txt', 'let it end in'), ('d.png', 'a folder')):
        (tmp_path / 'd.png').mkdir(exist_ok=True)
        with pytest.raises(ConfigError, match=message):
            write_comparison(found, tmp_path / name)
    with pytest.raises(ConfigError, match='nothing to compare'):
        comparison_of({'a': {}})
    assert read_run(out_dir)
