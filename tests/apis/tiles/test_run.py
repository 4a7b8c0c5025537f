"""What tiles change, from configs and modules, against plain loops."""

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, config_of
from helpers.model_state import of_model, of_process
from helpers.photographs import IMAGENET, normalised
from mmengine.config import ConfigDict
from torch import nn

from mmerf import measure_erf
from mmerf.apis import run_tiles, tiles_from_config, tiles_from_module
from mmerf.apis.module.module_config import module_config
from mmerf.apis.tiles.proposals import proposed_windows, training_crop
from mmerf.apis.tiles.segmentor_mode import SegmentorSlide, in_test_mode
from mmerf.core.batch import Batch
from mmerf.core.errors import ConfigError, ImageError, MeasurementError
from mmerf.core.tiling.grid import Tiling
from mmerf.core.tiling.slide import slide


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, padding=2, bias=False),
        nn.Tanh(),
        nn.Conv2d(4, 3, 1, bias=False),
    )


def test_a_module_is_compared_as_on_tensors(photos):
    model = net()
    before = of_model(model), of_process()
    result = tiles_from_module(model, img_dir=photos, windows=[16])
    assert (of_model(model), of_process()) == before
    given = normalised(photos, *IMAGENET)
    with torch.no_grad():
        whole = model(given).argmax(1)
        for number, tiling in enumerate(result.tilings):
            differs = slide(model, given, tiling).argmax(1) != whole
            counts = differs.sum(dim=(1, 2)).tolist()
            assert result.differs[:, number].sum(axis=1).tolist() == counts
    assert result.differs[:, 0].sum() > 0 and result.miou() is None
    erf = measure_erf(model, given, ['.'])['.']
    squares = erf.statistics()['centred_square']
    assert result.sides == {k: squares[k]['side'] for k in ('0.5', '0.99')}
    assert result.layer == '.' and result.crop_size is None


def config_with(data_root, tmp_path, **test_cfg):
    model = {**FCN, 'test_cfg': test_cfg or {'mode': 'whole'}}
    return config_of(data_root, tmp_path / 'work', model)


def test_a_config_has_labels(data_root, tmp_path):
    cfg = config_with(data_root, tmp_path)
    run = run_tiles(cfg, windows=[24, 32], overlaps=[0], num_images=3)
    assert len(run.result.images) == 3 and len(run.result.miou()) == 3
    assert run.result.matrices[0].sum() == 3 * 32 * 48
    assert run.result.layer == 'decode_head' and run.erf is not None
    folder = data_root / 'img_dir' / 'val'
    other = run_tiles(
        cfg, windows=[24], overlaps=[0], num_images=3, img_dir=folder
    )
    assert other.result.miou() is None
    same = run.result.differs[:, 0].sum(axis=1)
    assert other.result.differs[:, 0].sum(axis=1).tolist() == same.tolist()


def test_labels_that_do_not_load_are_a_note(data_root, tmp_path):
    cfg = config_with(data_root, tmp_path)
    cfg.val_dataloader.dataset.seg_map_suffix = '.tif'
    run = run_tiles(cfg, windows=[24], num_images=2)
    assert run.result.miou() is None
    assert any('no labels that load' in note for note in run.notes)


def test_a_config_in_slide_mode_is_compared_with_whole(data_root, tmp_path):
    whole = config_with(data_root, tmp_path)
    slides = config_with(
        data_root, tmp_path, mode='slide', crop_size=(16, 16), stride=(8, 8)
    )
    options = {'windows': [16], 'overlaps': [0, 0.5], 'num_images': 2}
    plain, run = run_tiles(whole, **options), run_tiles(slides, **options)
    assert (run.result.differs == plain.result.differs).all()
    assert run.result.differs.any() and run.result.sides == plain.result.sides
    assert any('in slide mode already' in note for note in run.notes)
    assert not any('slide mode' in note for note in plain.notes)


def test_tiles_are_those_of_the_segmentor(fcn):
    fcn.test_cfg = before = ConfigDict(mode='whole')
    image = torch.randn(1, 3, 32, 48)
    meta = {'img_shape': (32, 48), 'pad_shape': (32, 48)}
    batch = Batch(image, fcn, ['a'], [meta])
    with torch.no_grad():
        found = SegmentorSlide(fcn)(batch, image, Tiling(16, 10))
        assert fcn.test_cfg is before and meta['img_shape'] == (32, 48)
        expected = slide(
            lambda x: fcn.encode_decode(x, [{'img_shape': x.shape[2:]}]),
            image,
            Tiling(16, 10),
        )
    assert torch.equal(found, expected)
    with pytest.raises(RuntimeError), in_test_mode(fcn, mode='slide'):
        assert fcn.test_cfg.mode == 'slide'
        raise RuntimeError
    assert fcn.test_cfg is before


def test_windows_are_proposed(photos, data_root, tmp_path):
    run = run_tiles(module_config(net()), img_dir=photos)
    assert {t.window for t in run.result.tilings} == {32}
    assert 'windows by default: 32' in run.warned
    cfg = config_with(data_root, tmp_path)
    assert training_crop(cfg) is None
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline.insert(2, {'type': 'RandomCrop', 'crop_size': (24, 20)})
    assert training_crop(cfg) == (24, 20)
    result = tiles_from_config(cfg, num_images=2)
    assert 20 in {t.window for t in result.tilings}
    assert 'crop (24 x 20 px) is' in result.record()['crop']
    sides = {'0.5': 41, '0.99': 181}
    assert proposed_windows(sides, (512, 400), 480) == [64, 96, 192, 400]
    with pytest.raises(ConfigError, match=r'96, 192 px\) cut no image'):
        proposed_windows(sides, None, 48)
    with pytest.raises(ConfigError, match='zero or not finite'):
        proposed_windows({}, None, 48)


def test_images_that_cannot_be_read_are_skipped(photos):
    (photos / 'broken.png').write_bytes(b'x')
    run = run_tiles(
        module_config(net()), img_dir=photos, windows=[16, 32], strides=[8, 24]
    )
    assert [name[-10:] for name in run.skipped] == ['broken.png']
    assert len(run.result.images) == 3
    assert any('stride 24 with window 16' in note for note in run.notes)
    assert not any('the same tiles' in note for note in run.notes)
    for path in photos.iterdir():
        path.write_bytes(b'x')
    with pytest.raises(ImageError, match='none of the 4 image'):
        run_tiles(module_config(net()), img_dir=photos, windows=[16])


def test_at_another_size(photos, data_root, tmp_path):
    result = tiles_from_module(
        net(), img_dir=photos, windows=[16], input_size=(24, 24)
    )
    assert set(result.sizes) == {(24, 24)}
    cfg = config_with(data_root, tmp_path)
    labelled = tiles_from_config(
        cfg, windows=[32], input_size=(64, 96), num_images=2
    )
    assert labelled.matrices[0].sum() == 2 * 64 * 96
    assert np.isfinite(labelled.miou()).all()


def test_strides_that_give_the_same_tiles_are_named(photos):
    run = run_tiles(
        module_config(net()), img_dir=photos, windows=[32], strides=[16, 24]
    )
    assert (run.result.differs[:, 0] == run.result.differs[:, 1]).all()
    assert 'window 32: strides 24 and 16 give the same tiles' in run.notes


def test_settings_are_checked_before_anything_is_read():
    for options, message in (
        ({'windows': [64], 'strides': [65]}, 'larger than window 64'),
        ({'overlaps': [1.5]}, r'\[0, 1\)'),
        ({'windows': [64], 'strides': [9], 'overlaps': [0]}, 'one of them'),
        ({'within': 2}, 'within is a share'),
        ({'num_images': 0}, 'num_images'),
    ):
        with pytest.raises(ConfigError, match=message):
            run_tiles('no_such_config.py', **options)


def test_a_window_that_cuts_nothing_is_told_before_tiles_run(photos):
    with pytest.raises(MeasurementError, match='longer than 48 px'):
        run_tiles(module_config(net()), img_dir=photos, windows=[48])
