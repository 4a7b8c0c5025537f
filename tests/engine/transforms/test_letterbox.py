"""YOLO's letterbox, against a few lines of NumPy."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from mmerf.core.errors import ConfigError

RNG = np.random.default_rng(0)


def bilinear(image, height, width):
    """Half-pixel bilinear interpolation, edges repeated, by matrices."""

    def weights(new, old):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(old - 2, 0))
        found = np.zeros((new, old))
        found[np.arange(new), low] = 1 - (at - low)
        found[np.arange(new), np.minimum(low + 1, old - 1)] += at - low
        return found

    rows, columns = (
        weights(new, old)
        for new, old in zip((height, width), image.shape[:2], strict=True)
    )
    return np.einsum('yh,xw,hwc->yxc', rows, columns, image)


@pytest.mark.parametrize('channels', [1, 3, 6])
@pytest.mark.parametrize('scale', [(64, 64), (96, 64), (63, 97)])
@pytest.mark.parametrize('size', [(32, 48), (37, 51), (100, 33), (1, 300)])
def test_resized_centred_and_filled(size, scale, channels):
    step = TRANSFORMS.build(dict(type='Letterbox', scale=scale))
    image = RNG.random((*size, channels)).astype(np.float32)
    labels = RNG.integers(0, 19, size, np.uint8)
    out = step({'img': image, 'gt_seg_map': labels})
    (h, w), (width, height) = size, scale
    ratio = min(height / h, width / w)
    inner_h, inner_w = max(round(h * ratio), 1), max(round(w * ratio), 1)
    # as YOLO's code has it: half of the rest, rounded just below one half
    top = round((height - inner_h) / 2 - 0.1)
    left = round((width - inner_w) / 2 - 0.1)
    expected = np.full((height, width, channels), 114.0)
    inside = np.s_[top : top + inner_h, left : left + inner_w]
    expected[inside] = bilinear(image, inner_h, inner_w)
    assert out['img'].dtype == image.dtype
    np.testing.assert_allclose(out['img'], expected, atol=1e-4)
    ys = np.minimum(np.arange(inner_h) * h // inner_h, h - 1)
    xs = np.minimum(np.arange(inner_w) * w // inner_w, w - 1)
    marked = np.full((height, width), 255)
    marked[inside] = labels[ys][:, xs]
    np.testing.assert_array_equal(out['gt_seg_map'], marked)
    assert out['img_shape'] == (height, width)
    assert out['pad_shape'] == (height, width, channels)
    assert out['scale_factor'] == (inner_w / w, inner_h / h)


def test_an_image_of_the_right_size_stays_as_it_is():
    image = RNG.integers(0, 255, (64, 96, 3), np.uint8)
    step = TRANSFORMS.build(dict(type='Letterbox', scale=(96, 64)))
    out = step({'img': image.copy()})
    np.testing.assert_array_equal(out['img'], image)
    assert 'gt_seg_map' not in out
    assert repr(step) == 'Letterbox(scale=(96, 64), pad_value=114)'


@pytest.mark.parametrize('scale', [64, (64,), (64, 0), (64.0, 64), 'ab'])
def test_a_scale_that_is_none(scale):
    with pytest.raises(ConfigError, match=r'\(width, height\)'):
        TRANSFORMS.build(dict(type='Letterbox', scale=scale))


def test_in_a_test_pipeline(data_root, tmp_path, photos):
    from helpers.mmseg_configs import config_of

    from mmerf.apis import run_erf

    cfg = config_of(data_root, tmp_path)
    cfg.val_dataloader.dataset.pipeline.insert(
        1, dict(type='Letterbox', scale=(64, 64), pad_value=0)
    )
    cfg.model.data_preprocessor.size = None
    run = run_erf(cfg, layers='backbone[0]', img_dir=photos, theory=False)
    assert run.results['backbone[0]'].sizes == ((64, 64, 3),)
