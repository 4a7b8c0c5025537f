import argparse
import enum
import pathlib
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.core.errors import CheckpointError


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def state(seed=1, prefix=''):
    return {prefix + k: v for k, v in net(seed).state_dict().items()}


def loaded(content, tmp_path, trust=False, **options):
    torch.save(content, tmp_path / 'x.pth', **options)
    model = net()
    return model, load_checkpoint(model, tmp_path / 'x.pth', trust)


def assert_has(model, seed):
    for key, value in model.state_dict().items():
        assert torch.equal(value, state(seed)[key]), key


NAMES = ['state_dict', 'model', 'model_state_dict', 'net', 'network',
         'module', 'ema', 'ema_state_dict', 'state_dict_ema', 'model_ema',
         'model.state_dict', 'state_dict.model', 'ema.module']  # fmt: skip


@pytest.mark.parametrize('name', NAMES)
def test_weights_under_every_usual_name(name, tmp_path):
    content = state()
    for part in reversed(name.split('.')):
        content = {part: content, 'epoch': 3, 'steps': torch.tensor(4)}
    model, found = loaded(content, tmp_path)
    assert_has(model, 1)
    averaged = 'ema' in name
    note = f'the averaged weights {name!r} are its only ones'
    assert found['notes'] == [note] * averaged
    assert found['missing'] == found['unexpected'] == []


@pytest.mark.parametrize('raw', ['state_dict', 'model', 'net'])
@pytest.mark.parametrize(
    'averaged', ['ema', 'ema_state_dict', 'state_dict_ema']
)
def test_averaged_weights_beside_raw_ones_are_named(raw, averaged, tmp_path):
    content = {averaged: state(2, 'module.'), raw: state(1)}
    model, found = loaded(content, tmp_path)
    assert_has(model, 1)
    assert found['notes'] == [
        f'the raw weights {raw!r} are loaded; averaged ones lie beside them '
        f'as {averaged!r} and are not used'
    ]


def test_mmengine_saves_averaged_weights_as_the_models(make_runner):
    """EMAHook swaps the two, so that a test loads the averaged ones."""
    import os

    from helpers.mmseg_configs import FCN, build

    runner = make_runner([dict(type='EMAHook', momentum=0.5)])
    runner.train()
    path = os.path.join(runner.work_dir, 'iter_4.pth')
    model = build(FCN, seed=9)
    found = load_checkpoint(model, path)
    content = torch.load(path, weights_only=False)
    averaged = content['state_dict']['backbone.stem.0.weight']
    assert torch.equal(model.backbone.stem[0].weight, averaged)
    raw = content['ema_state_dict']['module.backbone.stem.0.weight']
    assert not torch.equal(raw, averaged)
    assert torch.equal(raw, runner.model.backbone.stem[0].weight.cpu())
    assert found['notes'] == [
        "'state_dict' holds the averaged weights, as EMAHook saves them; the "
        "raw ones lie beside them as 'ema_state_dict' and are not used"
    ]
    assert found['missing'] == found['unexpected'] == []


def test_a_file_of_lightning(tmp_path):
    """What its Trainer saves of a module that holds the model as ``net``."""
    content = {
        'epoch': 1,
        'global_step': 20,
        'pytorch-lightning_version': '2.5.0',
        'state_dict': OrderedDict(
            {**state(1, 'net.'), 'loss.weight': torch.ones(7)}
        ),
        'loops': {
            'fit_loop': {
                'state_dict': {},
                'epoch_progress': {'total': {'ready': 1, 'started': 1}},
            }
        },
        'callbacks': {
            "ModelCheckpoint{'monitor': 'loss', 'mode': 'min'}": {
                'monitor': 'loss',
                'best_model_score': torch.tensor(0.5),
                'best_k_models': {'a.ckpt': torch.tensor(0.5)},
                'dirpath': 'checkpoints',
            }
        },
        'optimizer_states': [
            {'state': {0: {'exp_avg': torch.ones(2)}}, 'param_groups': []}
        ],
        'lr_schedulers': [],
        'MixedPrecision': {'scale': 65536.0},
        'hparams_name': 'kwargs',
        'hyper_parameters': {'lr': 0.1, 'betas': (0.9, 0.99), 'net': 'small'},
    }
    model, found = loaded(content, tmp_path)
    assert_has(model, 1)
    assert found['unexpected'] == ['loss.weight']
    assert found['notes'] == ["the keys of x.pth were read without 'net.'"]


def test_of_two_sets_of_weights_the_one_that_fits_is_meant(tmp_path):
    content = {'model': {'other': torch.ones(3)}, 'net': state(1)}
    model, _ = loaded(content, tmp_path)
    assert_has(model, 1)
    with pytest.raises(CheckpointError, match="under 'model' and under 'net'"):
        loaded({'model': state(2), 'net': state(1)}, tmp_path)


def test_an_unknown_name_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="tensors under 'generator'"):
        loaded({'generator': state(1)}, tmp_path)


@pytest.mark.parametrize('inside', [True, False])
def test_whole_modules_of_a_trusted_pickle(inside, tmp_path):
    source = net(1)
    content = {'model': source, 'ema': None} if inside else source
    with pytest.raises(CheckpointError, match=r'torch\.nn\.modules\.cont'):
        loaded(content, tmp_path)
    model, _ = loaded(content, tmp_path, trust=True)
    assert_has(model, 1)


class Colour(enum.Enum):
    RED = 1


class Mine:
    def __init__(self):
        self.x = 1


HERE = __name__
REFUSED = {
    'datetime64': (np.datetime64('2026-01-01'), "numpy.dtype of 'M8'"),
    'objects': (np.array([1, 'a'], dtype=object), "numpy.dtype of 'O8'"),
    'path': (pathlib.PurePosixPath('a'), 'pathlib.PurePosixPath'),
    'namespace': (argparse.Namespace(a=1), 'argparse.Namespace'),
    'enum': (Colour.RED, f'{HERE}.Colour'),
    'instance': (Mine(), f'{HERE}.Mine'),
    'class': (Mine, f'{HERE}.Mine'),
    'key': ({Colour.RED: 1}, f'{HERE}.Colour'),
}
LOADED = {
    'numbers': np.ones((2, 2)),
    'number': np.float64(3),
    'set': {1, 2},
    'frozenset': frozenset('ab'),
    'tuple as key': {(1, 2): 3},
    'number as key': {np.int64(3): 1},
    'bytes': b'abc',
    'long text': 'é' * 300,
    'large number': 2**3000,
    'list': list(range(3000)),
}


@pytest.fixture
def saved(monkeypatch, request):
    """Makes this module importable, as a user's script is."""
    import sys

    monkeypatch.setitem(sys.modules, HERE, request.module)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_a_refused_file_names_what_it_asks_for(
    protocol, zipped, tmp_path, saved
):
    options = dict(
        pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
    )
    for case, (value, name) in REFUSED.items():
        with pytest.raises(CheckpointError) as caught:
            loaded({'state_dict': state(), 'x': value}, tmp_path, **options)
        wanted = f'x.pth was refused: its pickle asks for {name}, which'
        assert wanted in str(caught.value), case
        assert '\n' not in str(caught.value)
    for case, value in LOADED.items():
        model, found = loaded(
            {'state_dict': state(), 'x': value}, tmp_path, **options
        )
        assert_has(model, 1)
        assert found['missing'] == [], case
