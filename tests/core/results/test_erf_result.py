import dataclasses
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import ResultError


def measured():
    net = nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2))
    nn.init.uniform_(net[0].weight, 0, 1)
    return measure_erf(net, torch.rand(3, 3, 12, 18), ['0'])['0']


def test_saved_and_loaded_is_the_same(tmp_path):
    result = measured()
    back = ERFResult.load(result.save(tmp_path / 'a' / 'layer.npz'))
    for field in dataclasses.fields(ERFResult):
        ours, theirs = getattr(result, field.name), getattr(back, field.name)
        if isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs, field.name
    assert back.statistics() == result.statistics()
    assert [p.name for p in (tmp_path / 'a').iterdir()] == ['layer.npz']


def test_file_is_as_the_contract_says(tmp_path):
    result = measured()
    path = result.save(tmp_path / 'layer.npz')
    with np.load(path, allow_pickle=False) as file:
        assert file['map'].shape == file['stderr'].shape == (12, 18)
        assert file['map'].dtype == np.float64
        meta = json.loads(str(file['meta']))
    assert meta['layer'] == '0' and meta['unit'] == [3, 4]
    assert meta['unit_pixel'] == [6, 8] and meta['input_size'] == [12, 18]
    assert meta['num_images'] == 3 and meta['zero_score_images'] == 0
    assert 'relu' in meta['definition']['score']
    assert meta['provenance']['torch'] == torch.__version__


def test_statistics_are_plain_json():
    statistics = measured().statistics()
    assert json.loads(json.dumps(statistics)) == statistics
    assert set(statistics) >= {'centred_square', 'radial', 'replknet'}


def test_zero_map_has_none_for_every_family():
    result = ERFResult.from_map(np.zeros((4, 4)))
    assert set(result.statistics().values()) == {None}


def test_from_map_centres_as_the_contract_says():
    assert ERFResult.from_map(np.ones((5, 8))).unit_pixel == (2, 4)
    result = ERFResult.from_map(np.ones((5, 8)), center_yx=(0, 7.5))
    assert result.center == (0, 7)  # 8 lies outside, the edge is nearest
    assert ERFResult.from_map([[1, 2]]).map.dtype == np.float64


@pytest.mark.parametrize(
    'array',
    [np.zeros(3), np.zeros((0, 3)), [[1, np.nan]], [[-1.0]], [[[1.0]]]],
)
def test_from_map_refuses_what_is_no_map(array):
    with pytest.raises(ResultError):
        ERFResult.from_map(array)


class Evil:
    def __reduce__(self):
        return (exec, ('raise SystemExit("the pickle ran")',))


def damaged(tmp_path, name):
    path = tmp_path / 'x.npz'
    good = measured().save(tmp_path / 'good.npz')
    arrays = dict(np.load(good))
    meta = json.loads(str(arrays['meta']))
    if name == 'pickled':
        arrays['map'] = np.array([Evil()], dtype=object)
        np.savez(path, **arrays)
        return path
    if name == 'truncated':
        path.write_bytes(good.read_bytes()[:-200])
        return path
    if name == 'text':
        path.write_text('not a zip')
        return path
    if name == 'empty':
        path.write_bytes(b'')
        return path
    if name == 'bare pickle':
        path.write_bytes(pickle.dumps(Evil()))
        return path
    if name == 'missing':
        return path
    changes = {
        'nan': dict(map=np.full((12, 18), np.nan)),
        'negative': dict(map=-np.ones((12, 18))),
        'shape': dict(map=np.ones((12, 19))),
        'one axis': dict(map=np.ones(12)),
        'integers': dict(map=np.ones((12, 18), int)),
        'no meta': dict(meta=np.array('{')),
        'list meta': dict(meta=np.array('[1]')),
        'other format': dict(meta=np.array(json.dumps({'format': 99}))),
        'wrong meta': dict(
            meta=np.array(json.dumps({**meta, 'shares': ['x']}))
        ),
        'pixel meta': dict(
            meta=np.array(json.dumps({**meta, 'unit_pixel': [1]}))
        ),
    }
    np.savez(path, **{**arrays, **changes[name]})
    return path


@pytest.mark.parametrize(
    'name',
    ['pickled', 'truncated', 'text', 'empty', 'bare pickle', 'missing',
     'nan', 'negative', 'shape', 'one axis', 'integers', 'no meta',
     'list meta', 'other format', 'wrong meta', 'pixel meta'],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused_in_one_line(name, tmp_path):
    path = damaged(tmp_path, name)
    with pytest.raises(ResultError) as caught:
        ERFResult.load(path)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content):
    import tempfile

    with tempfile.NamedTemporaryFile(suffix='.npz') as file:
        file.write(content)
        file.flush()
        with pytest.raises(ResultError):
            ERFResult.load(file.name)


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}"


def npy(header):
    """An array file that is its header and eight bytes."""
    text = header.encode().ljust(118) + b'\n'
    size = len(text).to_bytes(2, 'little')
    return b'\x93NUMPY\x01\x00' + size + text + bytes(8)


HEADERS = {
    'terabytes': npy(HEADER % '(1000000000, 1000000)'),
    'inside a bracket': npy(HEADER[:-1] % '(1, '),
    'minus signs': npy('-' * 9000),
}
META = {
    'brackets': '[' * 100000,
    **{
        f'{key}={json.dumps(value):.50}': json.dumps(
            {'format': 1, 'unit_pixel': [1, 1], key: value}
        )
        for key, value in (
            ('unit_pixel', [float('inf'), 1]),
            ('unit_pixel', [1, 1, 1]),
            ('sizes', [[1, 1, 0]]),
            ('sizes', [[-2, -2, 1]]),
            ('sizes', [[10**400, 1, 1]]),
            ('num_images', -3),
            ('absent_images', 'x'),
            ('stride', [1]),
            ('uncertainty', {'side': 5}),
            ('uncertainty', {'side': {'0.5': {'stderr': []}}}),
            *(
                ('theory', {'y': e, 'x': e, 'stride': [1, 1], 'phase': ''})
                for bad in (float('nan'), float('inf'), 1e200)
                for e in [{'kind': 'box', 'before': -bad, 'after': bad}]
            ),
        )
    },
}


def hostile(path, name):
    if name in META:
        np.savez(path, map=np.ones((4, 5)), meta=np.array(META[name]))
        return
    whole = io.BytesIO()
    np.save(whole, np.ones((4, 5)))
    kind = zipfile.ZIP_LZMA if name == 'LZMA' else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, 'w', kind) as file:
        file.writestr('map.npy', HEADERS.get(name, whole.getvalue()))
    content = bytearray(path.read_bytes())
    if name == 'encrypted':
        content[content.index(b'PK\x01\x02') + 8] |= 1
    if name == 'LZMA':
        content[60:80] = b'\xff' * 20
    path.write_bytes(content)


@pytest.mark.parametrize('name', [*META, *HEADERS, 'encrypted', 'LZMA'])
def test_hostile_files_are_refused_in_one_line(name, tmp_path):
    path = tmp_path / 'x.npz'
    hostile(path, name)
    with pytest.raises(ResultError, match=r'damaged|not a whole') as caught:
        ERFResult.load(path)
    told = str(caught.value)
    assert told.startswith(str(path)) and '\n' not in told
    assert len(told) < 400


def test_the_label_names_what_was_switched_off():
    result = ERFResult.from_map(np.ones((3, 3)), layer='head')
    names = {f'arms.{i}': 'zero' for i in range(5)}
    for without, label in (
        ({'arms.1': 'zero'}, 'head without arms.1'),
        (names, 'head without arms.0, arms.1, arms.2 and 2 more'),
        ('from a strange file', 'head'),
        (None, 'head'),
    ):
        found = dataclasses.replace(result, provenance={'without': without})
        assert found.label == label
