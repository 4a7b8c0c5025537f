"""Files and rows of a class context."""

import json

import numpy as np
import pytest

from mmerf.core.errors import ResultError
from mmerf.core.results.class_context import ClassContext


def context(rows=('sky', 'road')):
    rng = np.random.default_rng(0)
    columns = ('sky', 'road', 'boat', 'unlabelled')
    shares = rng.dirichlet(np.ones(4), len(rows))
    split = rng.dirichlet(np.ones(3), len(rows))
    none = np.full(len(rows), np.nan)
    return ClassContext(
        'decode_head', rows, columns, 'label', shares, shares * np.nan,
        split, split / 10, none, none, (3, 1)[: len(rows)],
        (0, 2)[: len(rows)], (0, 0)[: len(rows)], {'score': 'x'},
        {'torch': '1'},
    )  # fmt: skip


@pytest.mark.parametrize('rows', [('sky', 'road'), ()])
def test_a_file_gives_back_everything(tmp_path, rows):
    before = context(rows)
    after = ClassContext.load(before.save(tmp_path / 'x.npz'))
    assert after.record() == before.record()
    assert np.array_equal(after.shares, before.shares)
    assert after.rows == rows and after.provenance == {'torch': '1'}
    text = json.dumps(before.record(), allow_nan=False)
    assert json.loads(text)['split_columns'][0] == 'own segment'


def test_a_row_per_class_with_numbers_as_they_are():
    made = context()
    rows = made.table()
    assert [row['class'] for row in rows] == ['sky', 'road']
    assert rows[0]['in road'] == made.shares[0, 1]
    assert rows[0]['in road (stderr)'] is None
    assert rows[1]['rest_of_own_class'] == made.split[1, 1]
    assert rows[1]['own_segment_stderr'] == made.split_stderr[1, 0]
    assert rows[1]['size_ratio'] is None and rows[1]['absent_images'] == 2
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(
    'change',
    [
        dict(kind='map'),
        dict(images=[3]),
        dict(images=['3', 1]),
        dict(rows=['sky', 1]),
        dict(provenance=[]),
        dict(columns=['sky']),
    ],
)
def test_damaged_files_are_refused(tmp_path, change):
    path = changed(context().save(tmp_path / 'x.npz'), change)
    with pytest.raises(ResultError, match='is no whole class context') as seen:
        ClassContext.load(path)
    assert '\n' not in str(seen.value)


def test_another_format_is_refused(tmp_path):
    path = changed(context().save(tmp_path / 'x.npz'), {'format': 2})
    with pytest.raises(ResultError, match='no class context of format 1'):
        ClassContext.load(path)


def changed(path, change):
    with np.load(path) as file:
        parts = dict(file)
    meta = {**json.loads(str(parts['meta'])), **change}
    np.savez(path, **{**parts, 'meta': np.array(json.dumps(meta))})
    return path


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ResultError, match='there is no file'):
        ClassContext.load(tmp_path / 'none.npz')
    (tmp_path / 'x.npz').write_bytes(b'text')
    with pytest.raises(ResultError, match='is not a whole class context'):
        ClassContext.load(tmp_path / 'x.npz')
