import numpy as np
import pytest
import torch
from scipy import ndimage

from mmerf.core.context.fills import FILLS, BlurFill, build_fill
from mmerf.core.errors import ConfigError


@pytest.fixture
def image():
    return torch.randn(3, 12, 15, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def other():
    return torch.randn(3, 12, 15, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask():
    mask = torch.zeros(12, 15, dtype=torch.bool)
    mask[2:9, 3:11] = True
    return mask


def replaced(name, image, other, mask, seed=0):
    rng = np.random.default_rng(seed)
    return build_fill(name).replacing(image, other, rng)(mask)


@pytest.mark.parametrize('name', FILLS)
def test_only_what_is_masked_changes(name, image, other, mask):
    before = image.clone()
    copy = replaced(name, image, other, mask)
    assert torch.equal(image, before)
    assert torch.equal(copy[:, ~mask], image[:, ~mask])
    changed = (copy != image).any(dim=0)
    assert changed[mask].float().mean() > 0.9
    nothing = replaced(name, image, other, torch.zeros_like(mask))
    assert torch.equal(nothing, image)


@pytest.mark.parametrize('name', FILLS)
def test_the_same_seed_gives_the_same_copy(name, image, other, mask):
    one, two = (replaced(name, image, other, mask, 3) for _ in range(2))
    assert torch.equal(one, two)
    differs = not torch.equal(one, replaced(name, image, other, mask, 4))
    assert differs == (name == 'shuffle')


def test_the_mean_is_that_of_each_channel(image, other, mask):
    copy = replaced('mean', image, other, mask)
    for channel, plane in zip(copy, image, strict=True):
        assert np.allclose(channel[mask], np.mean(plane.numpy()), atol=1e-6)


@pytest.mark.parametrize('whole', [False, True])
def test_shuffled_pixels_are_the_same_pixels(image, other, mask, whole):
    mask = torch.ones_like(mask) if whole else mask
    copy = replaced('shuffle', image, other, mask)
    pixels = [
        sorted(map(tuple, which[:, mask].T.tolist()))
        for which in (copy, image)
    ]
    assert pixels[0] == pixels[1]


def test_another_image_lies_at_the_same_place(image, other, mask):
    copy = replaced('other-image', image, other, mask)
    assert torch.equal(copy[:, mask], other[:, mask])
    small = torch.nn.functional.interpolate(other[None], (6, 5))[0]
    assert replaced('other-image', image, small, mask).shape == image.shape


def test_the_blur_is_scipys(image, mask):
    fill = BlurFill(1.5)
    found = fill.content(image.double(), None)
    for plane, own in zip(found, image.double(), strict=True):
        expected = ndimage.gaussian_filter(
            own.numpy(), 1.5, mode='nearest', radius=5
        )
        assert np.allclose(plane, expected, atol=1e-12)


def test_an_unknown_fill_is_refused():
    with pytest.raises(ConfigError, match='mean, blur, shuffle, other-image'):
        build_fill('grey')
    with pytest.raises(ConfigError, match='sigma'):
        BlurFill(-1.0)
