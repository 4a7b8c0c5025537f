"""Where the command line's call finds names of classes, and labels."""

import json

import pytest
import torch
from helpers.mmseg_configs import CLASSES, config_of

from mmerf.apis import run_erf
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.apis.config.config_file import load_config
from mmerf.apis.images.open_images import open_images
from mmerf.apis.write_outputs import write_report
from mmerf.core.errors import ConfigError, TargetError

REGION = dict(type='ClassRegion', region='ground_truth')


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


def test_the_dataset_names_its_classes(cfg, photos):
    for folder in (None, photos):
        source = open_images(load_config(cfg), folder)
        assert source.classes == list(CLASSES)
    dataset = cfg.val_dataloader.dataset
    cfg.val_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=dataset
    )
    assert open_images(load_config(cfg), photos).classes == list(CLASSES)


def test_a_dataset_s_own_names_need_no_data(cfg, photos):
    cfg.val_dataloader.dataset = dict(
        type='CityscapesDataset',
        data_root='/no/such',
        pipeline=cfg.val_dataloader.dataset.pipeline,
    )
    source = open_images(load_config(cfg), photos)
    assert source.classes[:2] == ['road', 'sidewalk']


@pytest.mark.parametrize(
    ('meta', 'names'),
    [
        (dict(dataset_meta=dict(classes=('a', 'b'))), ['a', 'b']),
        (dict(CLASSES=('a', 'b')), ['a', 'b']),
        (dict(dataset_meta=None), None),
        (dict(), None),
    ],
)
def test_a_checkpoint_s_names(cfg, tmp_path, meta, names):
    model, _ = build_model(load_config(cfg))
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)
    assert load_checkpoint(model, path)['classes'] == names


def test_labels_are_loaded_where_a_target_needs_them(cfg, tmp_path):
    """Left and right halves: where they lie, and nothing is absent."""
    run = run_erf(cfg, layers='backbone[1]', target=REGION, theory=False)
    keys = [f'backbone[1]:{name}' for name in CLASSES]
    assert list(run.results) == keys and not run.absent
    definition = run.results[keys[0]].definition
    assert 'in the labels' in definition['score']
    files = write_report(run, tmp_path / 'out')
    assert json.loads(files[0].read_text())['absent'] == {}


def test_targets_that_cannot_be_measured(cfg, photos):
    with pytest.raises(TargetError, match='no --img-dir'):
        run_erf(cfg, target=REGION, img_dir=photos)
    with pytest.raises(ConfigError, match='attention'):
        run_erf(cfg, attribution='GradCAM', num_images='auto')
    with pytest.raises(ConfigError, match='nearest: left'):
        run_erf(cfg, target=dict(type='ClassRegion', classes='lefd'))
    with pytest.raises(TargetError, match='3 targets for 1 image'):
        run_erf(cfg, target=[None, None, None], theory=False)
