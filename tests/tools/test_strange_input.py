"""Names and files as nobody means them: one line, status 1, nothing written.

The names are given to main as the system gives them: bytes that are no UTF-8
come as halves of characters.
"""

import csv
import json

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.apis.compare.comparison import compare as compare_runs
from mmerf.apis.compare.table_files import as_csv, as_latex, as_markdown
from mmerf.visualization import ERFVisBackend

LONG, NUL, DEEP = 'n' * 300, 'a\0b', 600
ESCAPE = '\x1b[31mred\x1b[0m\nsecond\u202e'
WRITTEN = '\\x1b[31mred\\x1b[0m\\nsecond\\u202e'


def is_one_line(capsys, message):
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.startswith('error: ')
    assert printed.err.endswith('\n') and printed.err[:-1].isprintable()
    assert len(printed.err) < 2100
    return True


@pytest.mark.parametrize('name', [LONG, NUL, f'x/{LONG}/y', LONG * 20])
@pytest.mark.parametrize(
    'option',
    ['config', 'mmseg::', 'mmseg::fcn/', 'checkpoint', '--img-dir',
     '--out-dir', '--device', '--cmap', '--layers'],
)  # fmt: skip
def test_names_that_no_file_has(
    config, erf, capsys, tmp_path, monkeypatch, option, name
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    args = [str(config), '--num-images', '1', '--no-theory']
    if option in ('config', 'mmseg::', 'mmseg::fcn/'):
        args[0] = name if option == 'config' else f'{option}{name}'
    elif option == 'checkpoint':
        args.insert(1, name)
    else:
        args += [option, name]
    assert erf(args) == 1 and is_one_line(capsys, '')
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('name', [LONG, NUL, f'x/{LONG}/y'])
@pytest.mark.parametrize('option', ['RUN', '--out', 'RUN --growth',
                                    '--out --growth'])  # fmt: skip
def test_names_that_no_figure_has(
    tmp_path, capsys, compare, monkeypatch, option, name
):
    monkeypatch.chdir(tmp_path)
    ERFResult.from_map(np.ones((9, 9))).save('a.npz')
    args = ['a.npz']
    if option.startswith('RUN'):
        args = [name]
    else:
        args += ['--out', f'{name}.png']
    assert compare([*args, *option.split()[1:]]) == 1
    assert is_one_line(capsys, '')
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']


@pytest.mark.parametrize('title', ['a\x1b[31m', 'a\udcff', 'a\0'])
def test_a_title_that_cannot_be_drawn(tmp_path, capsys, compare, title):
    path = ERFResult.from_map(np.ones((9, 9))).save(tmp_path / 'a.npz')
    out = tmp_path / 'o.svg'
    assert compare([str(path), '--out', str(out), '--title', title]) == 1
    assert is_one_line(capsys, 'cannot be drawn') and not out.exists()


def test_a_step_of_many_digits_is_no_step(capsys, compare):
    assert compare([f'run@{"1" * 5000}']) == 1
    assert is_one_line(capsys, 'there is no run')


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def stored(path, map_hw=None, **changes):
    """A result's file with other metadata."""
    plain = ERFResult.from_map(np.ones((9, 9)))
    plain.save(path)
    with np.load(path) as file:
        meta = {**json.loads(str(file['meta'])), **changes}
        parts = {'map': file['map']}
    if map_hw is not None:
        parts['map'] = map_hw
    text = json.dumps(meta).replace('"BIG"', '9' * 4000)
    np.savez(path, meta=np.array(text), **parts)


FOREIGN = {
    'nested': {'definition': {'a': nested(DEEP)}},
    'nested more': {'provenance': nested(DEEP)},
    'uncertainty': {'uncertainty': {'side': {'0.5': {'stderr': 'BIG'}}}},
    'a list': {'uncertainty': {'side': [1]}},
    'text': {'uncertainty': {'side': {'0.5': {'stderr': 'x'}}}},
    'count': {'num_images': 'BIG'},
    'name': {'layer': 'n' * 5_000_000},
    'longdouble': {'map_hw': np.ones((9, 9), np.longdouble)},
    'complex': {'map_hw': np.ones((9, 9), complex)},
    'standard error': {'map_hw': np.full((9, 9), 'x')},
}


@pytest.mark.parametrize('key', FOREIGN)
def test_a_foreign_result_is_one_line(tmp_path, capsys, compare, key):
    path = tmp_path / 'x.npz'
    stored(path, **FOREIGN[key])
    args = [str(path), str(path), '--names', 'a', 'b']
    assert compare([*args, '--out', str(tmp_path / 'o.png')]) == 1
    assert is_one_line(capsys, 'x.npz')
    assert [path.name for path in tmp_path.iterdir()] == ['x.npz']


@pytest.mark.parametrize('array', ['stderr', 'coverage'])
def test_other_arrays_hold_numbers_too(tmp_path, array):
    from mmerf.core.errors import ResultError

    path = tmp_path / 'x.npz'
    ERFResult.from_map(np.ones((9, 9))).save(path)
    with np.load(path) as file:
        parts = dict(file)
    np.savez(path, **parts, **{array: np.full((9, 9), 'x')})
    with pytest.raises(ResultError, match=array):
        ERFResult.load(path)


def test_a_narrow_map_becomes_float64(tmp_path):
    stored(tmp_path / 'x.npz', np.ones((9, 9), np.float16))
    assert ERFResult.load(tmp_path / 'x.npz').map.dtype == np.float64


def line(square=None, uncertainty=None, **changes):
    """A line of erf.jsonl; 'BIG' stands for a number of 4,000 digits."""
    statistics = {
        'centred_square': {'0.5': {'side': 3} if square is None else square},
        'uncertainty': uncertainty,
    }
    record = {'step': 1, 'layer': 'a', 'statistics': statistics, **changes}
    return json.dumps(record).replace('"BIG"', '9' * 4000)


LINES = {
    'step 1e300': line(step=1e300),
    'step of 4000 digits': line(step='BIG'),
    'step of 5000 digits': line(step='BIG').replace('99', '999'),
    'step 10**17': line(step=10**17),
    'step true': line(step=True),
    'step -1': line(step=-1),
    'step of text': line(step='1'),
    'a long name': line(layer='n' * 5_000_000),
    'a number for statistics': line(statistics=5),
    'a number for a dict': line(statistics={'centred_square': 5}),
    'a list for a dict': line(statistics={'centred_square': ['0.5']}),
    'a share of text': line(statistics={'centred_square': {'x': {}}}),
    'a share of 7': line(statistics={'centred_square': {'7': {}}}),
    'text for a number': line({'side': 'x'}),
    'a list for a number': line({'side': [3]}),
    'a side of 1e300': line({'side': 1e300}),
    'a side of 4000 digits': line({'side': 'BIG'}),
    'an infinite side': line({'side': float('inf')}),
    'an error of text': line(None, {'side': {'0.5': {'stderr': 'x'}}}),
    'a list for errors': line(None, [1]),
    'a number for a definition': line(definition=5),
    'a list for a kind': line(kind=[]),
    'a nested definition': line(definition={'a': nested(DEEP)}),
    'no layer': '{"step": 1, "statistics": {}}',
    'a list': '[1]',
}


@pytest.mark.parametrize('key', LINES)
def test_a_strange_line_is_one_line(tmp_path, capsys, compare, key):
    (tmp_path / 'erf.jsonl').write_text(LINES[key] + '\n')
    for more in ([], ['--growth']):
        args = [str(tmp_path), '--out', str(tmp_path / 'o.png')]
        assert compare([*args, *more]) == 1
        assert is_one_line(capsys, 'erf.jsonl is damaged')
    assert [path.name for path in tmp_path.iterdir()] == ['erf.jsonl']


def test_a_backend_goes_on_after_a_strange_line(tmp_path):
    backend = ERFVisBackend(save_dir=str(tmp_path))
    backend.folder.mkdir()
    line = '{"a": ' * 5000 + '1' + '}' * 5000
    (backend.folder / 'erf.jsonl').write_text(line + '\n')
    backend.add_erf(ERFResult.from_map(np.ones((9, 9)), layer='a'), 3)
    (kept,) = (backend.folder / 'erf.jsonl').read_text().splitlines()
    assert json.loads(kept)['step'] == 3


@pytest.mark.parametrize('name', [ESCAPE, '=1+1', '\ud800', '[bold]', '[/]',
                                  '$x$', 'n' * 15_000])  # fmt: skip
def test_any_name_is_shown_as_it_is(tmp_path, capsys, compare, name):
    path = tmp_path / 'x.npz'
    ERFResult.from_map(np.eye(9), layer=name).save(path)
    out = tmp_path / 'o.svg'
    runs = [str(path), str(path), '--names', name, f'{name}2']
    assert compare([*runs, '--out', str(out)]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    shown = ''.join(printed.out.replace('│', '').split())
    for line in printed.out.splitlines():
        assert line.isprintable()
    if name != ESCAPE:
        assert len(name) > 99 or name in shown or name == '\ud800'
    else:
        assert '\\x1b[31m' in shown
    for suffix in ('.csv', '.tex', '.md', '.svg'):
        text = out.with_suffix(suffix).read_text()
        assert '\x1b' not in text and '\u202e' not in text
    rows = list(csv.DictReader(out.with_suffix('.csv').open()))
    assert len(rows) == 2
    assert rows[0]['run'][0] not in '=+-@'


def test_names_in_tables_cannot_be_formulas_or_control(tmp_path):
    rows = [
        {'run': name, 'layer': name, 'x': -1.5, 'note': ''}
        for name in ('=1+1', '+1', '-1', '@a', ESCAPE, 'plain', '<b>')
    ]
    first, *_, escape, plain, bold = csv.DictReader(as_csv(rows).splitlines())
    assert first['run'] == "'=1+1" and first['x'] == '-1.5'
    assert escape['layer'] == WRITTEN and plain['run'] == 'plain'
    assert bold['run'] == '<b>'
    tex, markdown = as_latex(rows), as_markdown(rows)
    assert r'\textbackslash{}x1b[31mred' in tex and '\x1b' not in tex
    assert len(tex.splitlines()) == len(rows) + 6
    assert WRITTEN in markdown and '<b>' not in markdown


def test_steps_with_strange_layers_are_drawn(tmp_path, compare, capsys):
    backend = ERFVisBackend(save_dir=str(tmp_path))
    for step in (0, 4):
        result = ERFResult.from_map(np.eye(9), layer=ESCAPE)
        backend.add_erf(result, step)
    out = tmp_path / 'g.svg'
    assert compare([str(backend.folder), '--growth', '--out', str(out)]) == 0
    text = out.read_text()
    assert '\x1b' not in text and '\\x1b[31m' in text
    assert compare_runs([f'{backend.folder}@4']).layers == [ESCAPE]
