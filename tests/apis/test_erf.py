from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.slow_reference import centre_score, slow_map
from PIL import Image

from mmerf.apis import erf_from_config, layers_from_config, run_erf
from mmerf.apis.config.config_file import find_config, load_config
from mmerf.core.errors import ConfigError, ImageError, LayerError, ModelError
from mmerf.core.theory import search


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


def test_equals_a_reference_over_the_same_files(cfg, data_root):
    result = erf_from_config(cfg, layers=['backbone[3]'], num_images=3)[
        'backbone[3]'
    ]
    from mmerf.apis.config.build_model import build_model

    model, _ = build_model(cfg)
    images = []
    for index in (0, 1, 3):
        array = np.asarray(Image.open(data_root / f'img_dir/val/{index}.png'))
        image = torch.from_numpy(array.copy()).permute(2, 0, 1).float()
        mean = torch.tensor([120.0, 115.0, 105.0]).view(3, 1, 1)
        images.append(
            (image - mean) / torch.tensor([58.0, 57, 57]).view(3, 1, 1)
        )
    expected = slow_map(
        torch.stack(images), lambda x: centre_score(model.backbone(x)[3])
    )
    assert np.abs(result.map - expected).max() <= 1e-6 * expected.max()
    assert result.provenance['checkpoint'] is None
    assert result.provenance['mmseg']


def test_any_folder_of_any_images(cfg, tmp_path):
    folder = tmp_path / 'folder' / 'sub'
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (32, 48, 3), np.uint8))
    rgb.save(folder / 'rgb.PNG')
    rgb.convert('L').save(folder / 'grey.jpg')
    rgb.convert('RGBA').save(folder / 'alpha.png')
    rgb.convert('CMYK').save(folder / 'cmyk.jpg')
    deep = rng.integers(0, 2**16, (32, 48)).astype(np.uint16)
    Image.fromarray(deep).save(folder / 'deep.png')
    rgb.resize((3, 5)).save(folder / 'tiny.png')
    rgb.resize((1, 1)).save(folder / 'one.png')
    (folder / 'text.jpg').write_text('this is text')
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'notes.txt').write_text('not listed')
    (folder / '._mac.jpg').write_bytes(b'hidden')
    rgb.resize((480, 320)).save(folder / 'big.jpg')
    cut = (folder / 'big.jpg').read_bytes()
    (folder / 'truncated.jpg').write_bytes(cut[: len(cut) // 2])
    (folder / 'big.jpg').unlink()
    run = run_erf(cfg, layers=['backbone[1]'], img_dir=folder.parent)
    reasons = {Path(path).name: why for path, why in run.skipped.items()}
    assert reasons['text.jpg'] == reasons['empty.png'] == 'it is not an image'
    assert 'truncated' in reasons['truncated.jpg']
    assert set(reasons) == {'text.jpg', 'empty.png', 'truncated.jpg'}
    result = run.results['backbone[1]']
    assert result.num_images == 7  # also those of 3 x 5 and of one pixel
    assert len(result.sizes) == 3 and (5, 3, 1) in result.sizes


def test_an_image_that_the_model_refuses_is_skipped_by_name(cfg, photos):
    Image.new('RGB', (3, 5)).save(photos / 'tiny.png')
    cfg.model.backbone.update(stem_channels=8, deep_stem=False)
    cfg.model.decode_head.update(
        type='PSPHead', pool_scales=(1, 2), concat_input=None
    )
    del cfg.model.decode_head['num_convs']
    del cfg.model.decode_head['concat_input']
    cfg.model.backbone = dict(
        type='UNet', base_channels=4, norm_cfg=dict(type='BN'),
    )  # fmt: skip
    cfg.model.decode_head.update(in_channels=4, in_index=4)
    for batch_size in (1, 4):
        run = run_erf(
            cfg,
            layers=['backbone[4]'],
            img_dir=photos,
            batch_size=batch_size,
        )
        ((path, why),) = run.skipped.items()
        assert path.endswith('tiny.png') and '5 x 3' in why
        assert run.results['backbone[4]'].num_images == 3


def test_exactly_num_images_in_a_folder_of_that_many(cfg, photos):
    calls = []
    results = erf_from_config(
        cfg,
        layers='backbone[0]',
        num_images=3,
        img_dir=photos,
        batch_size=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert results['backbone[0]'].num_images == 3
    assert calls == [(2, 3), (3, 3)]


def test_batch_size_changes_nothing(cfg):
    one, four = (
        erf_from_config(cfg, num_images=5, batch_size=size) for size in (1, 4)
    )
    for key, result in one.items():
        peak = result.map.max()
        assert np.abs(four[key].map - result.map).max() <= 1e-6 * peak


def test_input_size_is_one_size_for_all(cfg, photos):
    Image.new('RGB', (70, 31)).save(photos / 'other.png')
    results = erf_from_config(
        cfg, layers='decode_head', img_dir=photos, input_size=(40, 56)
    )
    assert results['decode_head'].map.shape == (40, 56)
    assert results['decode_head'].num_images == 4


@pytest.mark.parametrize('what', ['missing', 'empty', 'only text'])
def test_folders_without_an_image(cfg, tmp_path, what):
    folder = tmp_path / what
    if what != 'missing':
        folder.mkdir()
    if what == 'only text':
        (folder / 'a.jpg').write_text('text')
        (folder / 'b.jpg').write_text('text')
    with pytest.raises(ImageError) as caught:
        run_erf(cfg, img_dir=folder)
    assert '\n' not in str(caught.value)
    expected = {
        'missing': 'there is no folder',
        'empty': 'there is no image in',
        'only text': 'none of the 2 image(s)',
    }
    assert expected[what] in str(caught.value)


def test_validation_set_that_is_not_there_names_img_dir(cfg):
    cfg.val_dataloader.dataset.data_root = '/no/such/folder'
    with pytest.raises(ImageError, match='--img-dir'):
        run_erf(cfg)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(model=None), 'no model'),
        (dict(model=dict(type='NoSuchModel')), 'NoSuchModel'),
        (dict(val_dataloader=None, test_dataloader=None), 'val_dataloader'),
    ],
)
def test_configs_that_lack_something(cfg, change, message):
    cfg.merge_from_dict({k: {'_delete_': True} if v is None else v
                         for k, v in change.items()})  # fmt: skip
    for key, value in change.items():
        if value is None:
            cfg[key] = None
        else:
            cfg[key] = value
    with pytest.raises(ConfigError, match=message):
        run_erf(cfg)


def test_unknown_device_and_settings(cfg):
    with pytest.raises(ConfigError, match='device'):
        run_erf(cfg, device='cuda:99')
    with pytest.raises(ConfigError, match='device'):
        run_erf(cfg, device='gpu')
    with pytest.raises(ConfigError, match='num_images'):
        run_erf(cfg, num_images=0)
    with pytest.raises(LayerError, match='nearest'):
        run_erf(cfg, layers=['backbon'])


def test_mmsegs_own_configs_are_found_in_the_installed_package():
    path = find_config('mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')
    assert path.is_file()
    assert load_config(path).model.type == 'EncoderDecoder'
    with pytest.raises(ConfigError, match=r'its families are .*pspnet'):
        find_config('mmseg::nofamily/x.py')
    with pytest.raises(ConfigError, match='fcn/ has for example'):
        find_config('mmseg::fcn/x.py')
    with pytest.raises(ConfigError, match='written mmseg::fcn/'):
        find_config('fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py')
    with pytest.raises(ConfigError, match='no config file'):
        find_config('nothing.py')


def test_a_config_that_does_not_parse(tmp_path):
    (tmp_path / 'x.py').write_text('model = dict(')
    with pytest.raises(ConfigError, match='could not be read') as caught:
        load_config(tmp_path / 'x.py')
    assert '\n' not in str(caught.value)


def test_layers_of_a_config_need_no_data(cfg):
    cfg.val_dataloader.dataset.data_root = '/no/such/folder'
    cfg.crop_size = (64, 96)
    rows = layers_from_config(cfg, 'backbone')
    assert [row.key for row in rows] == [f'backbone[{i}]' for i in range(4)]
    assert rows[0].shape == (8, 16, 24) and rows[0].stride == (4, 4)
    with pytest.raises(LayerError, match='no layer'):
        layers_from_config(cfg, 'nothing*')


@pytest.mark.parametrize('kind', ['concat', 'repeat'])
def test_wrapped_datasets(cfg, kind):
    dataset = cfg.val_dataloader.dataset
    if kind == 'concat':
        wrapped = dict(type='ConcatDataset', datasets=[dataset, dataset])
    else:
        wrapped = dict(type='RepeatDataset', times=2, dataset=dataset)
    plain = erf_from_config(cfg, layers='backbone[0]', num_images=5)
    cfg.val_dataloader = dict(cfg.val_dataloader, dataset=wrapped)
    found = erf_from_config(cfg, layers='backbone[0]', num_images=10)
    ours, theirs = found['backbone[0]'], plain['backbone[0]']
    assert ours.num_images == 10
    peak = theirs.map.max()
    assert np.abs(ours.map - theirs.map).max() <= 1e-6 * peak


def test_pictures_whose_channels_do_not_fit_are_skipped(cfg, photos):
    Image.new('RGBA', (48, 32)).save(photos / 'alpha.png')
    for step in cfg.val_dataloader.dataset.pipeline:
        if step.type == 'LoadImageFromFile':
            step.color_type = 'unchanged'
    run = run_erf(cfg, layers='backbone[0]', img_dir=photos, theory=False)
    ((path, why),) = run.skipped.items()
    assert path.endswith('alpha.png') and 'does not run' in why
    assert run.results['backbone[0]'].num_images == 3


def test_a_run_says_why_a_theoretical_field_is_missing(
    cfg, photos, monkeypatch
):
    def fails(*args):
        raise ModelError('it takes one size only')

    monkeypatch.setattr(search, 'private_copy', fails)
    run = run_erf(cfg, layers='backbone[0]', img_dir=photos)
    (note,) = [note for note in run.notes if 'theoretical' in note]
    assert note == (
        'no theoretical field of backbone[0]: it takes one size only'
    )
    result = run.results['backbone[0]']
    assert result.theory is None and result.map.max() > 0
    assert result.provenance['theory'] == 'it takes one size only'
