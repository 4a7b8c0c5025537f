import hashlib
import os
import zipfile

import pytest
import torch
from helpers.mmseg_configs import FCN, build
from torch import nn

from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.apis.config.checkpoint.torch_file import read_checkpoint
from mmerf.core.errors import CheckpointError


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


class EvilGetattr:
    """Reaches for a function through getattr, as history buffers do."""

    def __reduce__(self):
        return (getattr, ('text', 'upper'))


def small():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def test_weights_of_every_usual_form(tmp_path):
    source = small()
    nn.init.constant_(source[0].weight, 7.0)
    state = source.state_dict()
    forms = {
        'plain': state,
        'mmengine': {'state_dict': state, 'meta': {'epoch': 1}},
        'deit': {'model': state},
        'ddp': {'state_dict': {f'module.{k}': v for k, v in state.items()}},
    }
    for name, content in forms.items():
        torch.save(content, tmp_path / name)
        model = small()
        found = load_checkpoint(model, tmp_path / name)
        assert (model[0].weight == 7).all()
        assert found['missing'] == found['unexpected'] == []
        content = (tmp_path / name).read_bytes()
        assert found['sha256'] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize('form', ['installed', 'mmengine 0.10.7', 'legacy'])
def test_mmengines_own_checkpoint_loads(make_runner, form):
    """Message hub, history buffers and numpy scalars are all in it.

    mmengine 0.10.7 saves the same classes by the same code, beside numpy 1,
    whose functions have other modules; 'legacy' is torch's format before 1.6.
    """
    runner = make_runner([dict(type='ERFHook', num_images=1)])
    runner.train()
    model = build(FCN, seed=9)
    path = os.path.join(runner.work_dir, 'iter_4.pth')
    if form == 'mmengine 0.10.7':
        as_beside_numpy_1(path)
    elif form == 'legacy':
        content = torch.load(path, weights_only=False)
        torch.save(content, path, _use_new_zipfile_serialization=False)
    found = load_checkpoint(model, path)
    assert found['missing'] == found['unexpected'] == []
    assert found['classes'] == ['left', 'right']
    trained = runner.model.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, trained[key])
    with pytest.raises(Exception, match=r'getattr|HistoryBuffer'):
        torch.load(found['path'], weights_only=True)  # it does hold them


def as_beside_numpy_1(path):
    """Rewrite a checkpoint's names of numpy's functions."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = (name for name in content if name.endswith('/data.pkl'))
    new = b'cnumpy._core.multiarray\n'
    content[pickled] = content[pickled].replace(
        b'cnumpy.core.multiarray\n', new
    )
    assert new in content[pickled]
    content[pickled] = content[pickled].replace(
        new, b'cnumpy.core.multiarray\n'
    )
    with zipfile.ZipFile(path, 'w') as archive:
        for name, value in content.items():
            archive.writestr(name, value)


@pytest.mark.parametrize('zipped', [True, False])
def test_every_kind_of_weight_has_its_value(tmp_path, zipped):
    torch.manual_seed(0)
    base = torch.randn(5, 6)
    weights = {
        'plain': base,
        'transposed': base.t(),
        'part': base[1:4, ::2],
        'same storage': base[2],
        'expanded': torch.randn(1, 3).expand(4, 3),
        'parameter': nn.Parameter(torch.randn(3)),
        'scalar': torch.tensor(7),
        'empty': torch.zeros(0, 3),
        'truth': torch.tensor([True, False, True]),
        **{
            str(kind): torch.arange(4).to(kind)
            for kind in (torch.float64, torch.float16, torch.bfloat16,
                         torch.int32, torch.int16, torch.int8, torch.uint8,
                         torch.complex64, torch.complex128)
        },
    }  # fmt: skip
    torch.save(
        weights,
        tmp_path / 'x.pth',
        _use_new_zipfile_serialization=zipped,
    )
    content = bytearray((tmp_path / 'x.pth').read_bytes())
    found = read_checkpoint(content)
    assert list(found) == list(weights)
    for key, value in weights.items():
        loaded = found[key].tensor()
        assert loaded.dtype == value.dtype and torch.equal(loaded, value), key


def test_a_changed_byte_of_a_weight_is_seen(tmp_path):
    source, path = small(), tmp_path / 'x.pth'
    nn.init.constant_(source[0].weight, 7.0)
    torch.save(source.state_dict(), path)
    seven = source[0].weight.detach().numpy().tobytes()
    content = path.read_bytes()
    assert seven in content
    path.write_bytes(content.replace(seven, seven[:-1] + b'\0'))
    with pytest.raises(CheckpointError, match=r'data/0 is damaged'):
        load_checkpoint(small(), path)


@pytest.mark.parametrize('evil', ['call', 'getattr'])
def test_a_pickle_that_runs_code_is_refused_until_trusted(tmp_path, evil):
    marker = tmp_path / 'the pickle ran'
    thing = Evil(marker) if evil == 'call' else EvilGetattr()
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': small().state_dict(), 'x': thing}, path)
    with pytest.raises(CheckpointError, match='--trust-checkpoint') as caught:
        load_checkpoint(small(), path)
    assert '\n' not in str(caught.value)
    assert not marker.exists()
    load_checkpoint(small(), path, trust=True)
    assert marker.exists() or evil == 'getattr'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'not a whole checkpoint'),
        (b'not a pickle', 'not a whole checkpoint'),
        (b'PK\x03\x04 broken zip', 'not a whole checkpoint'),
        ({'state_dict': {}}, 'no weights'),
        ([1, 2], 'list'),
        ({'other.weight': torch.zeros(2)}, "none of the model's"),
        (
            {'0.weight': torch.nested.nested_tensor([torch.zeros(2)])},
            'refused: its pickle asks for torch._utils._rebuild_nested_tensor',
        ),
        (
            {'0.weight': torch.zeros(5, 1, 1, 1)},
            r'0\.weight is \(5, 1, 1, 1\)',
        ),
    ],
)
def test_damaged_and_foreign_checkpoints(tmp_path, content, message):
    path = tmp_path / 'x.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(small(), path)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)


def test_truncated_and_missing(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save(small().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(CheckpointError, match='not a whole'):
        load_checkpoint(small(), path)
    with pytest.raises(CheckpointError, match='there is no checkpoint'):
        load_checkpoint(small(), tmp_path / 'no.pth')


def test_partly_matching_weights_are_listed(tmp_path):
    state = small().state_dict()
    del state['1.bias']
    state['2.weight'] = torch.zeros(1)
    torch.save(state, tmp_path / 'x.pth')
    found = load_checkpoint(small(), tmp_path / 'x.pth')
    assert found['missing'] == ['1.bias']
    assert found['unexpected'] == ['2.weight']


@pytest.mark.parametrize(
    ('meta', 'classes'),
    [
        ({'dataset_meta': {'classes': ('a', 'b')}}, ['a', 'b']),
        ({'dataset_meta': {'classes': ['a']}, 'CLASSES': ['b']}, ['a']),
        ({'CLASSES': ('a', 'b')}, ['a', 'b']),
        ({'dataset_meta': None, 'CLASSES': ('a', 'b')}, ['a', 'b']),
        ({'dataset_meta': ['a']}, None),
        ({'dataset_meta': 5}, None),
        ({'dataset_meta': {'classes': 5}}, None),
        ({'dataset_meta': {'classes': 'ab'}}, None),
        ({'dataset_meta': {'classes': [1, 2]}}, None),
        ({'dataset_meta': {'classes': torch.ones(3)}}, None),
        ({'CLASSES': torch.ones(3)}, None),
        (5, None),
    ],
)
def test_classes_are_names_or_none(tmp_path, meta, classes):
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': small().state_dict(), 'meta': meta}, path)
    assert load_checkpoint(small(), path)['classes'] == classes
