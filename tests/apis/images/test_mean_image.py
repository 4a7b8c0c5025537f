import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from PIL import Image

from mmerf.apis import run_erf
from mmerf.apis.images.mean_image import MeanImage
from mmerf.apis.write_outputs import write_report
from mmerf.core.errors import ConfigError
from mmerf.core.targets import parse_target

SMALL = dict(layers='backbone[0]', theory=False)


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


def test_mean_of_the_measured_images(cfg, data_root):
    run = run_erf(cfg, num_images=3, batch_size=2, **SMALL)
    paths = [data_root / f'img_dir/val/{i}.png' for i in (0, 1, 3)]
    expected = np.mean(
        [np.asarray(Image.open(path)).mean(axis=2) for path in paths], axis=0
    )
    np.testing.assert_allclose(run.image, expected)


def test_resized_and_padded_as_the_inputs_are(cfg):
    image = torch.arange(12.0).view(1, 3, 4)
    mean = MeanImage()
    mean.add([image])
    assert mean.picture((4, 4))[3].tolist() == [0] * 4
    assert mean.picture((4, 4))[:3].tolist() == image[0].tolist()
    assert mean.picture((6, 8), resized=True).shape == (6, 8)
    assert mean.picture((2, 4)) is None
    run = run_erf(cfg, input_size=(40, 56), num_images=1, **SMALL)
    assert (
        run.results['backbone[0]'].map.shape == run.image.shape[:2] == (40, 56)
    )


def test_a_single_photograph_keeps_its_colours(cfg, photos, data_root):
    run = run_erf(cfg, num_images=1, **SMALL)
    expected = np.asarray(Image.open(data_root / 'img_dir/val/0.png'))
    np.testing.assert_allclose(run.image, expected)
    unknown = MeanImage()
    unknown.add([torch.rand(3, 4, 5)])
    assert unknown.picture((4, 5)).shape == (4, 5)


def test_images_of_different_size_have_none(cfg, photos, tmp_path):
    Image.new('RGB', (70, 31)).save(photos / 'other.png')
    run = run_erf(cfg, img_dir=photos, **SMALL)
    assert run.image is None
    with pytest.raises(ConfigError, match='--input-size'):
        write_report(run, tmp_path / 'o', over_image=True)
    assert not (tmp_path / 'o').exists()
    assert MeanImage().picture((2, 2)) is None


@pytest.mark.parametrize(
    ('target', 'images'), [('grid=2x2', 1), ('class=left,right', 3)]
)
def test_maps_aligned_at_their_units_lie_on_no_image(
    cfg, tmp_path, target, images
):
    run = run_erf(
        cfg,
        layers='backbone[1]',
        target=parse_target(target),
        num_images=images,
        theory=False,
    )
    assert all(r.coverage is not None for r in run.results.values())
    assert run.image is None
    with pytest.raises(ConfigError, match='units sit at different places'):
        write_report(run, tmp_path / 'o', over_image=True)
    assert not (tmp_path / 'o').exists()
