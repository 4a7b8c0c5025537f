"""Configs that lack what a measurement needs, through the command line."""

import importlib.util
from pathlib import Path

import pytest
import torch
from helpers.mmseg_configs import config_of
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmerf.apis.config.config_file import load_config

TOOL = Path(__file__).parents[2] / 'tools' / 'erf.py'


@DATASETS.register_module(force=True)
class DictsOfOtherForm(torch.utils.data.Dataset):
    """As people write them: other keys, other types."""

    def __init__(self, form, pipeline=()):
        self.form = form

    def __len__(self):
        return 3

    def __getitem__(self, index):
        image = torch.zeros(3, 32, 48)
        return {
            'img': {'img': image, 'gt': 0},
            'tuple': (image, 0),
            'none': None,
            'text inputs': {'inputs': 'image', 'data_samples': None},
            'five channels': {'inputs': torch.zeros(5, 32, 48)},
            'no samples': {'inputs': image},
        }[self.form]


def without_pipeline(cfg):
    for name in ('val_dataloader', 'test_dataloader'):
        del cfg[name].dataset['pipeline']


def without_preprocessor(cfg):
    del cfg.model['data_preprocessor']


def custom(form):
    def change(cfg):
        dataset = dict(type='DictsOfOtherForm', form=form, pipeline=[1])
        dataset['pipeline'] = [dict(type='PackSegInputs')]
        cfg.val_dataloader.dataset = dataset

    return change


def pipeline_of_text(cfg):
    cfg.val_dataloader.dataset.pipeline = ['LoadImageFromFile']


def pipeline_without_packing(cfg):
    del cfg.val_dataloader.dataset.pipeline[-1]


def scope_of_a_number(cfg):
    cfg.default_scope = 1


def plain_model(cfg):
    cfg.model = dict(type='ResNetV1c', depth=18, norm_cfg=dict(type='BN'))


CHANGES = {
    'no test pipeline': (without_pipeline, 'has no test pipeline; add'),
    'no data preprocessor': (without_preprocessor, 'data_preprocessor'),
    'a pipeline of text': (pipeline_of_text, 'pipeline=[dict(type=...)'),
    'no PackSegInputs': (pipeline_without_packing, 'end in PackSegInputs'),
    'a number as scope': (scope_of_a_number, "such as 'mmseg', not 1"),
    'a bare backbone': (plain_model, 'has no data_preprocessor'),
    'img': (custom('img'), 'end in PackSegInputs'),
    'tuples': (custom('tuple'), 'end in PackSegInputs'),
    'nothing': (custom('none'), 'end in PackSegInputs'),
    'text as inputs': (custom('text inputs'), 'end in PackSegInputs'),
    'five channels': (custom('five channels'), 'does not take this batch'),
}


@pytest.fixture
def main():
    spec = importlib.util.spec_from_file_location('_odd_erf', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def path(data_root, tmp_path):
    def write(change):
        cfg = config_of(data_root, tmp_path / 'work')
        change(cfg)
        cfg.dump(str(tmp_path / 'odd.py'))
        return tmp_path / 'odd.py'

    return write


@pytest.mark.parametrize('name', CHANGES)
def test_one_line_status_one_and_nothing_written(
    name, path, main, capsys, tmp_path
):
    change, message = CHANGES[name]
    config = path(change)
    layers = [
        '--layers',
        'layer1' if name == 'a bare backbone' else 'backbone',
    ]
    out = tmp_path / 'out'
    before = sorted(tmp_path.rglob('*'))
    assert main([str(config), *layers, '--out-dir', str(out)]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1
    assert message in err, err
    assert sorted(tmp_path.rglob('*')) == before


def test_items_without_samples_are_measured(path, main, tmp_path):
    config = path(custom('no samples'))
    out = tmp_path / 'out'
    args = ['--layers', 'backbone[0]', '--no-theory', '--out-dir', str(out)]
    assert main([str(config), *args]) == 0
    assert (out / 'erf.json').is_file()


def test_options_are_set_one_after_the_other():
    """In one call of mmengine's, the last would replace the others."""
    inside = {'model.backbone.base_channels': 16, 'model.backbone.depth': 50}
    options = {**inside, 'model.backbone': {'depth': 34, 'stem': 3}}
    backbone = load_config(Config(dict(model=dict())), options).model.backbone
    assert backbone == dict(base_channels=16, depth=34, stem=3)
