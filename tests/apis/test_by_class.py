"""Where context comes from, from a config."""

import json

import numpy as np
import pytest
from helpers.mmseg_configs import CLASSES, config_of

from mmerf.apis import run_erf
from mmerf.apis.write_outputs import write_report
from mmerf.core.errors import ConfigError, TargetError
from mmerf.core.results.class_context import ClassContext


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


def test_by_label_and_what_is_written(cfg, tmp_path):
    layers = ['backbone[1]', 'decode_head']
    run = run_erf(cfg, layers=layers, by_class='label', theory=False)
    assert list(run.by_class) == layers
    assert all(f'{la}:{c}' in run.results for la in layers for c in CLASSES)
    context = run.by_class['decode_head']
    assert context.rows == CLASSES
    assert context.columns == (*CLASSES, 'unlabelled')
    assert np.allclose(context.shares.sum(axis=1), 1)
    assert context.provenance['mmseg'] and context.by_class == 'label'
    files = write_report(run, tmp_path / 'out')
    names = [str(path.relative_to(tmp_path / 'out')) for path in files[:7]]
    assert names == [
        'erf.json', 'by_class.csv', 'by_class/backbone[1].npz',
        'by_class/backbone[1].png', 'by_class/decode_head.npz',
        'by_class/decode_head.png', 'erf.png',
    ]  # fmt: skip
    record = json.loads(files[0].read_text())
    assert record['by_class']['decode_head'] == context.record()
    head, *rows = files[1].read_text().splitlines()
    assert len(rows) == 4 and head.startswith('layer,class,images,')
    assert ClassContext.load(files[4]).record() == context.record()


def test_the_target_may_be_stated(cfg):
    run = run_erf(
        cfg, layers='backbone[1]', by_class='label', theory=False,
        num_images=1, target=dict(type='ClassRegion', classes='right'),
    )  # fmt: skip
    context = run.by_class['backbone[1]']
    assert context.rows == ('right',) and len(context.columns) == 3
    assert 'largest' not in context.definition['score']
    assert not run_erf(cfg, num_images=1, theory=False).by_class


def test_what_does_not_fit_is_one_line(cfg, photos):
    with pytest.raises(TargetError, match='no --img-dir'):
        run_erf(cfg, by_class='label', img_dir=photos)
    with pytest.raises(ConfigError, match='of classes, not Unit'):
        run_erf(cfg, by_class='label', target=dict(type='Unit', y=1, x=1))
