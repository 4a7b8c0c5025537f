"""Networks from import paths and files: what is loaded, refused and said."""

import sys
import types

import numpy as np
import pytest
import torch
from helpers.photographs import IMAGENET, map_of, net, normalised
from torch import nn

from mmerf.apis import erf_from_module, run_erf
from mmerf.apis.module.module_config import module_config
from mmerf.core.errors import CheckpointError, ConfigError

CONV = 'torch.nn.Conv2d'
OPTIONS = {'in_channels': 3, 'out_channels': 4, 'kernel_size': 3}


def test_an_argument_with_a_type_is_built(photos):
    config = module_config(
        'torch.nn.Sequential', {'arg': {'type': CONV, **OPTIONS}}
    )
    with pytest.raises(ConfigError, match=r'do not fit torch\.nn\.Seq'):
        run_erf(config, img_dir=photos)
    wrapped = module_config(
        'torch.nn.utils.parametrizations.weight_norm',
        {'module': {'type': CONV, **OPTIONS}},
    )
    assert run_erf(wrapped, layers='.', img_dir=photos).results['.'].map.any()


def network(pretrained=True, weights=None, classes=2):
    """A constructor as torchvision and timm have them."""
    assert not pretrained and weights is None
    return nn.Conv2d(3, classes, 3)


def test_arguments_that_would_download_are_changed_and_said(photos):
    config = module_config(f'{__name__}.network', {'weights': 'DEFAULT'})
    notes = run_erf(config, layers='.', img_dir=photos).notes
    assert "weights=None instead of 'DEFAULT': nothing is downloaded" in notes
    assert 'pretrained=False instead of its default' in ' '.join(notes)


def test_python_warns_of_changed_arguments(photos):
    with pytest.warns(UserWarning, match='pretrained=False instead of its'):
        erf_from_module(f'{__name__}.network', img_dir=photos, layers='.')


def test_an_onnx_file_is_converted_once_the_package_is_there(
    photos, tmp_path, monkeypatch
):
    path, asked = tmp_path / 'a.onnx', []
    path.write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'onnx2torch', None)
    with pytest.raises(ConfigError, match='pip install onnx2torch'):
        erf_from_module(path, img_dir=photos)
    graph = torch.fx.symbolic_trace(net())

    def convert(file):
        asked.append(file)
        if len(asked) > 1:
            raise ValueError('no ONNX')
        return graph

    monkeypatch.setitem(
        sys.modules, 'onnx2torch', types.SimpleNamespace(convert=convert)
    )
    found = erf_from_module(path, img_dir=photos)
    expected = map_of(net().eval(), normalised(photos, *IMAGENET))
    assert list(found) == ['.'] and asked == [str(path)]
    assert np.abs(found['.'].map - expected).max() < 1e-5 * expected.max()
    with pytest.raises(ConfigError, match=r'cannot convert .*: no ONNX'):
        erf_from_module(path, img_dir=photos)


def test_nested_arguments_download_nothing_either(photos):
    inner = {'type': f'{__name__}.network', 'pretrained': True}
    config = module_config('torch.nn.Sequential', {'arg': inner})
    with pytest.raises(ConfigError, match=r'do not fit torch\.nn\.Seq'):
        run_erf(config, img_dir=photos)
    config = module_config(f'{__name__}.wrapped', {'net': inner})
    run = run_erf(config, layers='.', img_dir=photos)
    notes = ' '.join(run.warned)
    assert 'net: pretrained=False instead of True' in notes
    assert "'pretrained': False" in run.provenance['config']


def wrapped(net):
    return nn.Sequential(net)


class Hub(nn.Module):
    @classmethod
    def from_pretrained(cls, name, local_files_only=False):
        assert local_files_only
        return net()


def test_from_pretrained_reads_local_files_only(photos):
    config = module_config(f'{__name__}.Hub.from_pretrained', {'name': 'x/y'})
    run = run_erf(config, layers='.', img_dir=photos)
    assert 'local_files_only=True' in run.warned[0]


def test_a_module_that_does_not_import_shows_its_own_error(
    photos, tmp_path, monkeypatch
):
    folder = tmp_path / 'repository'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    (folder / 'nets.py').write_text('import no_such_package')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"No module named 'no_such_package"):
        erf_from_module('repository.nets.Net', img_dir=photos)


class Whole(nn.Module):
    """A module that is pickled whole, such as ultralytics' files hold."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Conv2d(3, 4, 3)
        self.layer2 = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return self.layer2(self.layer1(x))


@pytest.mark.parametrize('key', [None, 'model', 'ema'])
def test_a_pickled_module_is_refused_then_trusted(photos, tmp_path, key):
    torch.manual_seed(0)
    model, path = Whole().half(), tmp_path / 'a.pt'
    torch.save(model if key is None else {key: model, 'ema_': 1}, path)
    with pytest.raises(CheckpointError, match='--trust-checkpoint'):
        erf_from_module(path, img_dir=photos)
    run = run_erf(module_config(path), img_dir=photos, trust_checkpoint=True)
    assert list(run.results) == ['layer1', 'layer2']
    expected = map_of(model.float(), normalised(photos, *IMAGENET))
    found = run.results['layer2'].map
    assert np.abs(found - expected).max() < 1e-5 * expected.max()
    notes = ' '.join(run.notes)
    assert 'float32' in notes and (key is None or f'{key!r} of the' in notes)


def test_torchscript_gives_its_own_output(photos, tmp_path):
    model, path = net().eval(), tmp_path / 'a.torchscript'
    images = normalised(photos, *IMAGENET)
    torch.jit.trace(model, images[:1]).save(path)
    found = erf_from_module(
        path, img_dir=photos, layers='.', trust_checkpoint=True
    )
    expected = map_of(model, images)
    assert np.abs(found['.'].map - expected).max() < 1e-4 * expected.max()


@pytest.mark.parametrize(
    ('module', 'options', 'expected'),
    [
        ('torch.nn.Conv3000', {}, 'torch.nn has no Conv3000; nearest'),
        ('no_package.Net', {}, 'there is no package no_package here'),
        ('torch.nn.Conv2d', {'in_channels': 3}, 'do not fit torch.nn.Conv2d'),
        ('torch.float32', {}, 'no class or function'),
        ('nothing.onnx', {}, 'there is no file nothing.onnx'),
        ('nothing.pt', {'depth': 3}, 'takes no module options'),
    ],
)
def test_what_is_no_network_is_one_line(photos, module, options, expected):
    with pytest.raises(ConfigError) as caught:
        erf_from_module(module, img_dir=photos, module_options=options)
    assert expected in str(caught.value) and '\n' not in str(caught.value)


def test_a_file_that_holds_weights_only_says_so(photos, tmp_path):
    torch.save(net().state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ConfigError, match='holds no module but a dict with'):
        erf_from_module(
            tmp_path / 'a.pth', img_dir=photos, trust_checkpoint=True
        )
