"""Whole files of any form pass; damaged ones of the common forms do not."""

import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from mmerf.apis.images.check_image import check_image
from mmerf.core.errors import ImageError

RNG = np.random.default_rng(0)


def pixels(channels, dtype):
    return (RNG.random((20, 30, channels)) * 200).astype(dtype)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('bands', [2, 3, 4, 6])
@pytest.mark.parametrize('bigtiff', [False, True])
def test_tiffs_are_left_to_the_pipelines_reader(
    bands, dtype, bigtiff, tmp_path
):
    """Whatever their suffix: of most of these Pillow says it is no image."""
    for name in ('scene.tif', 'scene.png'):
        tifffile.imwrite(
            tmp_path / name,
            pixels(bands, dtype),
            bigtiff=bigtiff,
            photometric='minisblack',
            planarconfig='contig',
        )
        check_image(str(tmp_path / name))


def test_a_scene_of_14000_pixels_a_side(tmp_path):
    """Above Pillow's own limit, which stays as it was."""
    path = tmp_path / 'scene.png'
    Image.new('1', (14_000, 14_000)).save(path, compress_level=1)
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_image(str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match='damaged'):
        check_image(str(path))
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize('kept', [0.5, 0.9, 0.99])
@pytest.mark.parametrize('form', ['JPEG', 'PNG'])
def test_what_a_reader_may_pad_silently_is_refused(form, kept, tmp_path):
    path = tmp_path / 'cut.png'
    noise = RNG.integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(path, form)
    whole = path.read_bytes()
    check_image(str(path))
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ImageError, match='damaged'):
        check_image(str(path))


def test_a_progressive_jpeg_that_is_cut(tmp_path):
    path = tmp_path / 'cut.jpg'
    noise = RNG.integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(path, progressive=True)
    check_image(str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.7 * len(whole))])
    with pytest.raises(ImageError, match='damaged'):
        check_image(str(path))
