"""Context curves from configs and modules, against the core by hand."""

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.photographs import IMAGENET, net, normalised
from PIL import Image
from torch import nn

from mmerf.apis import (
    context_from_config,
    context_from_module,
    run_context,
    run_ranking,
)
from mmerf.apis.context.run import logits_layer
from mmerf.core.context.curves import measure_context
from mmerf.core.errors import ConfigError, ImageError

CURVES = ('keep_change', 'keep_flips', 'replace_change', 'replace_flips')


def test_a_module_is_measured_as_on_tensors(photos):
    model = net()
    options = {'sides': [3, 9], 'fill': 'other-image', 'seed': 2}
    found = context_from_module(
        model, img_dir=photos, layer='.', num_images=3, **options
    )
    images = normalised(photos, *IMAGENET)
    expected = measure_context(model, images, '.', **options)
    for name in CURVES:
        own = getattr(found, name)
        assert np.allclose(own, getattr(expected, name), atol=1e-5)
    assert np.allclose(found.mass, expected.mass, atol=1e-6)


def test_a_config_reads_its_own_images(data_root, tmp_path):
    cfg = config_of(data_root, tmp_path / 'work')
    result = context_from_config(
        cfg,
        num_images=3,
        target={'type': 'ClassRegion', 'classes': ['left']},
        sides=[9, 49],
    )
    assert result.layer == 'decode_head'
    assert result.absent_images + len(result.images) == 3
    assert all(count <= 9 for count in result.units)
    assert result.provenance['config'] is None
    assert 'units of class left' in result.definition['score']


def test_images_that_cannot_be_read_are_skipped(photos):
    (photos / 'broken.png').write_bytes(b'x')
    Image.new('RGB', (40, 24), (9, 99, 200)).save(photos / 'other.png')
    run = run_context(
        module_of(nn.Conv2d(3, 2, 3, padding=1)), img_dir=photos, sides=[3, 9]
    )
    assert [name[-10:] for name in run.skipped] == ['broken.png']
    assert len(run.result.images) == 4
    assert any('images have 2 sizes' in note for note in run.notes)
    for path in photos.iterdir():
        path.write_bytes(b'x')
    with pytest.raises(ImageError, match='none of the 5 image'):
        run_context(module_of(nn.Conv2d(3, 2, 3)), img_dir=photos)


def module_of(model):
    from mmerf.apis.module.module_config import module_config

    return module_config(model)


def test_a_ranking_has_its_notes(photos):
    run = run_ranking(
        module_of(nn.Conv2d(3, 2, 5, padding=2)),
        None,
        ['Luo', {'type': 'Occlusion', 'patch_size': 4}],
        img_dir=photos,
        num_images=2,
        target='CentreUnit',
        steps=4,
    )
    assert run.result.names == ('Luo', 'Occlusion, 4')
    assert run.result.own.shape == (2, 2, 5)
    assert any('2 unit(s) in all' in note for note in run.notes)


class WithHead(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.encoder = nn.Conv2d(3, 4, 1)
        self.add_module(name, nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('decode_head', 'decode_head'),
        ('segmentation_head', 'segmentation_head'),
        ('head', '.'),
    ],
)
def test_the_layer_that_makes_the_logits(name, layer):
    assert logits_layer(WithHead(name)) == layer


class Sick(nn.Module):
    """Runs on whole images and on nothing else."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        if (x[0, :, 0, 0] == x[0, :, 0, 1]).all():
            raise ValueError('two equal pixels')
        return self.conv(x)


def test_a_model_that_does_not_run_on_copies_says_so(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / 'a.png')
    with pytest.raises(Exception, match='two equal pixels') as caught:
        run_context(module_of(Sick()), img_dir=tmp_path, sides=[1])
    assert 'does not run on changed copies' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_settings_are_checked_before_anything_is_read():
    with pytest.raises(ConfigError, match='odd'):
        run_context('no_such_config.py', sides=[2])
    with pytest.raises(ConfigError, match='unknown fill'):
        run_context('no_such_config.py', fill='grey')
    with pytest.raises(ConfigError, match='unknown attribution'):
        run_ranking('no_such_config.py', attributions=['nothing'])
    assert torch.is_grad_enabled()
