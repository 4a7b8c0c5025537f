"""Folders, single files, several loaders; readers for any bands and depth."""

import copy
import shutil

import numpy as np
import pytest
import tifffile
from helpers.mmseg_configs import config_of
from PIL import Image

from mmerf.apis import erf_from_config, run_erf
from mmerf.apis.config.config_file import load_config
from mmerf.apis.images.open_images import open_images
from mmerf.apis.sweep.vary import check_keys
from mmerf.core.errors import ConfigError, ImageError

RNG = np.random.default_rng(0)
SMALL = dict(layers='backbone[0]', theory=False)


@pytest.fixture
def cfg(data_root, tmp_path):
    return load_config(config_of(data_root, tmp_path))


def read_by_tifffile(cfg, bands):
    """Let the test pipeline read any bands, and the model take them."""
    cfg.val_dataloader.dataset.pipeline[0].update(
        imdecode_backend='tifffile', color_type='unchanged'
    )
    cfg.model.data_preprocessor = dict(type='SegDataPreProcessor')
    cfg.model.backbone.in_channels = bands


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('bands', [2, 4, 6])
def test_tiffs_of_any_bands_by_tifffile(bands, dtype, cfg, tmp_path):
    scene = (RNG.random((40, 56, bands)) * 200).astype(dtype)
    path = tmp_path / 'scene.tif'
    tifffile.imwrite(
        path, scene, bigtiff=True, photometric='minisblack',
        planarconfig='contig',
    )  # fmt: skip
    read_by_tifffile(cfg, bands)
    (batch,) = open_images(cfg, path).batches([0], 1)
    read = batch['inputs'][0].double().numpy()
    np.testing.assert_array_equal(read, scene.transpose(2, 0, 1))
    run = run_erf(cfg, img_dir=path, **SMALL)
    assert not run.skipped
    assert run.results['backbone[0]'].map.shape == (40, 56)


def test_a_cut_tiff_is_skipped_by_its_reader(cfg, tmp_path):
    path = tmp_path / 'cut.tif'
    tifffile.imwrite(path, RNG.random((40, 56, 4)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:9000])
    read_by_tifffile(cfg, 4)
    source = open_images(cfg, path)
    assert list(source.batches([0], 1)) == []
    assert 'failed to read' in source.skipped[str(path)]


@pytest.mark.parametrize('folder', [True, False])
def test_a_step_that_needs_a_missing_package_is_one_clear_line(
    folder, cfg, photos
):
    """mmseg's reader of GeoTIFFs needs GDAL, which is not installed here."""
    step = dict(type='LoadSingleRSImageFromFile')
    cfg.val_dataloader.dataset.pipeline[0] = step
    with pytest.raises(ConfigError) as caught:
        run_erf(cfg, img_dir=photos if folder else None)
    assert str(caught.value) == (
        'the step LoadSingleRSImageFromFile of the test pipeline could not '
        'be built: gdal is not installed'
    )


def test_one_file(cfg, photos):
    one = erf_from_config(cfg, img_dir=photos / 'chelsea.png', **SMALL)
    for other in ('astronaut.png', 'coffee.png'):
        (photos / other).unlink()
    (photos / 'chelsea.png').rename(photos / 'named.by.hand')
    named = photos / 'named.by.hand'
    again = erf_from_config(cfg, img_dir=named, **SMALL)['backbone[0]']
    assert one['backbone[0]'].num_images == again.num_images == 1
    np.testing.assert_array_equal(one['backbone[0]'].map, again.map)
    with pytest.raises(ImageError) as caught:
        run_erf(cfg, img_dir=photos)
    text = str(caught.value)
    assert f'no image in {photos}, which holds .hand (1, such as' in text
    assert 'known suffixes are .bmp .gif' in text and '\n' not in text


def wrapped(dataset, kind):
    if kind == 'plain':
        return dataset
    if kind == 'repeat':
        return dict(type='RepeatDataset', times=2, dataset=dataset)
    return dict(type='ConcatDataset', datasets=[dataset, dataset])


@pytest.mark.parametrize('kind', ['plain', 'repeat', 'concat'])
@pytest.mark.parametrize('suffix', ['.jpg', '.PNG', '_leftImg8bit.png'])
def test_a_suffix_that_no_file_has(suffix, kind, cfg, data_root):
    dataset = cfg.val_dataloader.dataset
    dataset.img_suffix = suffix
    cfg.val_dataloader.dataset = wrapped(dataset, kind)
    with pytest.raises(ImageError) as caught:
        run_erf(cfg)
    text = str(caught.value)
    folder = data_root / 'img_dir/val'
    assert f'{folder} has no file that ends in {suffix!r}' in text
    assert 'it holds .png (5, such as 0.png)' in text
    assert 'upper and lower case differ' in text and '\n' not in text


def test_a_wrong_suffix_of_listed_images(cfg, data_root, tmp_path):
    listed = tmp_path / 'val.txt'
    listed.write_text('0\n1\n')
    cfg.val_dataloader.dataset.update(
        ann_file=str(listed), img_suffix='.jpg', data_root=None,
        data_prefix=dict(img_path=str(data_root / 'img_dir/val')),
    )  # fmt: skip
    with pytest.raises(ImageError) as caught:
        run_erf(cfg)
    assert (
        'there is no such file; '
        f'{data_root}/img_dir/val holds .png (5, such as 0.png)'
    ) in str(caught.value)


@pytest.fixture
def several(cfg, data_root, tmp_path):
    """Two loaders; the second's images are smaller and pass a Resize."""
    other = tmp_path / 'other'
    shutil.copytree(data_root / 'img_dir/val', other / 'img_dir/val')
    for name in ('3.png', '4.png'):
        (other / 'img_dir/val' / name).unlink()
    second = copy.deepcopy(cfg.val_dataloader)
    second.dataset.data_root = str(other)
    second.dataset.pipeline.insert(1, dict(type='Resize', scale=(64, 40)))
    first = cfg.val_dataloader
    cfg.val_dataloader = [first, second]
    return cfg, first, second


def test_several_validation_loaders_are_all_measured(several):
    cfg, first, second = several
    run = run_erf(cfg, batch_size=2, **SMALL)
    result = run.results['backbone[0]']
    assert result.num_images == 8 and not run.skipped
    assert result.sizes == ((32, 48, 5), (40, 64, 3))
    assert (
        'the images are those of val_dataloader.0 (5), val_dataloader.1 (3)'
    ) in run.notes
    sums = []
    for loader in (first, second):
        cfg.val_dataloader = loader
        alone = run_erf(cfg, **SMALL).results['backbone[0]']
        sums.append(alone.map.sum() * alone.num_images)
    assert result.map.sum() * 8 == pytest.approx(sum(sums), rel=1e-5)


def test_a_folder_passes_the_first_loaders_pipeline_and_a_note_says_so(
    several, photos
):
    cfg, first, _ = several
    run = run_erf(cfg, img_dir=photos, **SMALL)
    assert run.results['backbone[0]'].sizes == ((32, 48, 3),)
    assert any('pipeline of val_dataloader.0' in note for note in run.notes)
    cfg.val_dataloader = [first, first]
    run = run_erf(cfg, img_dir=photos, **SMALL)
    assert not any('val_dataloader' in note for note in run.notes)


def test_one_of_several_loaders_that_cannot_be_used(several):
    cfg, first, second = several
    check_keys(cfg, {'val_dataloader.1.dataset.img_suffix': '.jpg'})
    with pytest.raises(ConfigError, match=r'val_dataloader\.0\.dataset'):
        check_keys(cfg, {'val_dataloader.1.batch_size': 1})
    second.dataset.img_suffix = '.jpg'
    with pytest.raises(ImageError, match=r'dataset of val_dataloader\.1'):
        run_erf(cfg)
    cfg.val_dataloader = [first, dict(batch_size=1)]
    with pytest.raises(ConfigError, match=r'val_dataloader\.1 .* no dataset'):
        run_erf(cfg)


def test_class_names_are_those_that_all_loaders_share(several):
    cfg, _, second = several
    assert open_images(cfg, None).classes == ['left', 'right']
    second.dataset.metainfo = dict(classes=('up', 'down'))
    assert open_images(cfg, None).classes is None


def test_the_size_that_a_model_does_not_run_on(cfg, photos):
    """After padding, and after --input-size; not the loaded image's."""
    cfg.model.data_preprocessor.update(
        size=None, test_cfg=dict(size_divisor=32)
    )
    cfg.model.backbone.in_channels = 5
    for given, named in ((None, '32 x 64'), ((40, 56), '40 x 56')):
        with pytest.raises(ImageError, match=f'on its {named} input'):
            run_erf(cfg, img_dir=photos, input_size=given, **SMALL)


def test_a_scene_of_14000_pixels_a_side_reaches_its_reader(cfg, tmp_path):
    path = tmp_path / 'scene.tif'
    tifffile.imwrite(
        path, np.zeros((14_000, 14_000), np.uint8), compression='zlib'
    )
    cfg.val_dataloader.dataset.pipeline[0].update(
        imdecode_backend='tifffile', color_type='unchanged'
    )
    cfg.val_dataloader.dataset.pipeline.insert(
        1, dict(type='Resize', scale=(70, 70))
    )
    (batch,) = open_images(cfg, path).batches([0], 1)
    assert batch['inputs'][0].shape == (1, 70, 70)


def test_a_photo_beside_other_files_is_found(cfg, photos):
    (photos / 'notes.txt').write_text('text')
    Image.new('RGB', (48, 32)).save(photos / 'upper.PNG')
    assert len(open_images(cfg, photos).paths) == 4
