"""Config or module and a photograph, to an explorer."""

import gc

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.plain_nets import Named
from PIL import Image

from mmerf.apis import (
    erf_from_config,
    explorer_from_config,
    explorer_from_module,
    open_explorer,
)
from mmerf.apis.explore.photograph import photograph_of
from mmerf.core.errors import ConfigError, ImageError, LayerError


@pytest.fixture
def config(data_root, tmp_path):
    return config_of(data_root, tmp_path / 'work')


@pytest.fixture
def photo(photos):
    return photos / 'astronaut.png'


def test_the_configs_own_pipeline_makes_the_input(config, photo, as_few):
    opened = open_explorer(config, image=photo)
    explorer = opened.explorer
    assert explorer.layers[-1] == 'decode_head' and explorer.size == (32, 48)
    assert explorer.classes == ['left', 'right']
    assert explorer.name == str(photo)
    rgb = np.asarray(Image.open(photo).convert('RGB')) / 255
    assert np.abs(explorer.picture - rgb).max() < 1e-6
    target = {'type': 'Pixel', 'y': 11, 'x': 30}
    own = erf_from_config(
        config, img_dir=photo, target=target, theory=False, num_images=1
    )
    for key, found in explorer.results((11, 30)):
        peak = own[key].map.max()
        assert np.abs(found.map - own[key].map).max() <= 1e-6 * peak
        assert found.unit == own[key].unit
        assert found.provenance['seed'] == 0
    assert any('32 x 48 image keeps' in note for note in opened.notes)


def test_a_network_without_a_config(photo):
    net = Named(4).train()
    explorer = explorer_from_module(
        net,
        image=photo,
        layers=['backbone', 'classifier'],
        input_size=(40, 56),
    )
    assert explorer.size == (40, 56) and net.training
    assert explorer.picture.shape == (40, 56, 3)
    assert explorer.classes == ['0', '1', '2', '3']
    explorer.ask({'type': 'ClassUnit', 'classes': 1})
    assert explorer.result('classifier', (3, 4)).layer == 'classifier:1'
    with pytest.warns(UserWarning, match="ImageNet's"):
        explorer_from_module(net, image=photo).close()


def test_what_was_chosen_is_warned_of(config, photo, tmp_path):
    from mmerf.apis.config.build_model import build_model

    model, _ = build_model(config)
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    explorer = explorer_from_config(
        config, tmp_path / 'x.pth', image=photo, layers='backbone'
    )
    assert explorer.result('backbone[0]', (2, 3)).provenance['checkpoint'] == (
        'x.pth'
    )


def slide(config):
    config.model.test_cfg = dict(
        mode='slide', crop_size=(16, 16), stride=(8, 8)
    )


def four_channels(config):
    config.model.backbone.in_channels = 4


def auxiliary(config):
    config.model.auxiliary_head = dict(config.model.decode_head, in_index=2,
                                       in_channels=32)  # fmt: skip


def test_an_auxiliary_head_can_be_explored(config, photo):
    auxiliary(config)
    opened = open_explorer(config, image=photo, layers=['auxiliary_head'])
    assert opened.explorer.layers == ['auxiliary_head']


@pytest.mark.parametrize(
    ('change', 'options', 'error', 'message'),
    [
        (slide, {}, ConfigError, 'model.test_cfg.mode=whole'),
        (None, {'image': 'photos'}, ImageError, 'is a folder'),
        (None, {'image': 'cut.png'}, ImageError, 'it is damaged'),
        (None, {'layers': 'decode_heat'}, LayerError, 'decode_head'),
        (None, {'target': 'UnitGrid'}, ConfigError, 'UnitGrid: '),
        (None, {'attribution': 'GradCAM'}, ConfigError, 'runs the model ag'),
        (None, {'most_bytes': 1000}, Exception, 'takes more than 0 MB'),
        (four_channels, {}, ConfigError, 'does not run on its 32 x 48 input'),
    ],
)  # fmt: skip
def test_what_cannot_be_explored(
    config, photo, monkeypatch, change, options, error, message
):
    monkeypatch.chdir(photo.parent.parent)
    (photo.parent.parent / 'cut.png').write_bytes(photo.read_bytes()[:900])
    if change is not None:
        change(config)
    with pytest.raises(error, match=message) as raised:
        open_explorer(config, **{'image': photo, **options})
    assert '\n' not in str(raised.value)
    gc.collect()
    if change is slide:
        config.model.test_cfg.mode = 'whole'
        open_explorer(config, image=photo)


def test_out_of_memory_is_told_in_one_line(config, photo, monkeypatch):
    from mmerf.apis.explore import open_explorer as module

    def fails(*args, **kwargs):
        raise torch.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(module, 'Explorer', fails)
    with pytest.raises(ConfigError, match='out of memory with a 32 x 48'):
        open_explorer(config, image=photo)


@pytest.mark.parametrize('turned', [True, False])
def test_a_preprocessors_work_is_undone(turned):
    from mmseg.models import SegDataPreProcessor
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    bgr = torch.randint(0, 256, (3, 8, 9), generator=generator)
    preprocessor = SegDataPreProcessor(
        mean=[10.0, 20, 30], std=[2.0, 3, 4], bgr_to_rgb=turned,
        test_cfg={'size': (10, 12)}, pad_val=0, size=(10, 12),
    )  # fmt: skip
    inputs = preprocessor(
        {'inputs': [bgr], 'data_samples': [SegDataSample()]}
    )['inputs']
    picture = photograph_of(inputs, preprocessor)
    rgb = bgr.flip(0).permute(1, 2, 0).numpy() / 255
    assert picture.shape == (10, 12, 3)
    assert np.allclose(picture[:8, :9], rgb, atol=1e-6)
    grey = photograph_of(torch.rand(1, 5, 6, 7), None)
    assert grey.shape == (6, 7) and grey.max() <= 1
