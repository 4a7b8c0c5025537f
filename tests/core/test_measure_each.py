"""One result per image, all images of a batch in one pass."""

import numpy as np
import pytest
import torch
from helpers.outside_log import Log
from helpers.slow_reference import centre_score, slow_map
from helpers.tiny_segmentor import CLASSES, scenes, trained
from torch import nn
from torch.nn import functional

from mmerf import measure_each, measure_erf
from mmerf.core.errors import ConfigError, MeasurementError


class Counted(nn.Module):
    """Two convolutions; logs the number of images of every forward."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 5, 2, 2)
        self.second = nn.Conv2d(6, 4, 3, padding=1)
        self.log = Log(images=[])

    def forward(self, x):
        self.log.images += [len(x)]
        return self.second(self.first(x).relu())


def same(one, other):
    peak = max(other.map.max(), 1e-12)
    assert np.abs(one.map - other.map).max() <= 1e-6 * peak
    skipped = ('map', 'stderr', 'provenance', 'uncertainty', 'coverage')
    for name in set(vars(one)) - set(skipped):
        if not name.startswith('_'):
            assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize('size', [(24, 33), (160, 150)])
@pytest.mark.parametrize(
    'target', [None, dict(type='UnitGrid', rows=2, columns=2)]
)
def test_each_image_as_if_it_were_measured_alone(size, target):
    """Whole, or in a window; one unit, or several."""
    images = torch.randn(4, 3, *size)
    options = dict(target=target, theory=target is None)
    layers = ['first', 'second']
    found = measure_each(Counted(), images, layers, batch_size=3, **options)
    mean = measure_erf(Counted(), images, layers, **options)
    assert len(found) == 4
    for i, results in enumerate(found):
        assert list(results) == layers
        for layer in layers:
            alone = measure_erf(
                Counted(), images[i : i + 1], layer, **options
            )[layer]
            same(results[layer], alone)
            assert results[layer].provenance['image'] == f'image {i}'
            assert results[layer].num_images == 1
            assert np.isnan(results[layer].stderr).all()
    for layer in layers:
        maps = np.mean([results[layer].map for results in found], axis=0)
        peak = mean[layer].map.max()
        assert np.abs(mean[layer].map - maps).max() <= 1e-6 * peak


def test_equals_plain_autograd_and_takes_one_forward():
    images = torch.randn(5, 3, 24, 33)
    net = Counted()
    found = measure_each(net, images, 'second')
    measure_erf(net, images, 'second')
    forwards = net.log.images
    assert forwards[: len(forwards) // 2] == forwards[len(forwards) // 2 :]
    assert sum(n == 5 for n in forwards) == 2  # of all five, once each
    for image, results in zip(images, found, strict=True):
        expected = slow_map(image[None], lambda x: centre_score(net(x)))
        peak = expected.max()
        assert np.abs(results['second'].map - expected).max() <= 1e-6 * peak


def test_images_of_several_sizes_keep_their_own_unit_and_grid():
    batches = [torch.randn(2, 3, 24, 33), torch.randn(1, 3, 41, 20)]
    found = measure_each(Counted(), batches, 'first')
    grids = [results['first'].grid for results in found]
    assert grids == [(12, 17), (12, 17), (21, 10)]
    pixels = [results['first'].unit_pixel for results in found]
    assert pixels[0] == pixels[1] != pixels[2]
    for results, shape in zip(found, [(24, 33)] * 2 + [(41, 20)], strict=True):
        assert results['first'].map.shape == shape
    names = [results['first'].provenance['image'] for results in found]
    assert names == ['image 0', 'image 1', 'image 2']


def test_a_class_is_no_key_of_an_image_without_it():
    images, _ = scenes(4)  # a tree in every second one
    target = dict(type='ClassRegion', classes=['tree', 'road'])
    found = measure_each(
        trained(), images, 'backbone', target=target, classes=CLASSES
    )
    every = ['backbone:tree', 'backbone:road']
    assert [list(results) for results in found] == [every[1:], every] * 2


def test_a_map_that_is_not_finite_is_missing_with_a_warning():
    images = torch.rand(3, 3, 9, 9)
    images[1] = float('nan')
    with pytest.warns(UserWarning, match='not finite: image 1'):
        found = measure_each(nn.Sequential(nn.Conv2d(3, 2, 3)), images, '0')
    assert [list(results) for results in found] == [['0'], [], ['0']]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(MeasurementError, match='no image'):
        measure_each(Counted(), [], 'first')
    with pytest.raises(ConfigError, match='batch_size'):
        measure_each(Counted(), torch.rand(1, 3, 9, 9), batch_size=0)


def scaled_cam(model, image, index):
    """pytorch-grad-cam's heat map of one image, of the backbone's output."""

    def to_unit(array):
        array = array - array.min()
        return array / (1e-7 + array.max())

    model.zero_grad()
    kept = {}

    def keep(module, inputs, output):
        kept['values'] = output
        output.register_hook(lambda grad: kept.update(gradient=grad))

    handle = model.backbone.register_forward_hook(keep)
    logits = model(image[None])
    handle.remove()
    mask = logits.argmax(1)[0] == index
    (logits[0, index] * mask).sum().backward()
    model.zero_grad()
    weights = kept['gradient'].mean((2, 3), keepdim=True)
    cam = (weights * kept['values']).sum(1, keepdim=True).relu().detach()
    cam = functional.interpolate(
        to_unit(cam), image.shape[1:], mode='bilinear'
    )
    return to_unit(cam)[0, 0].numpy()


def test_grad_cam_gives_one_scaled_heat_map_per_image_and_target():
    model, (images, _) = trained(), scenes(4)
    classes = ['sky', 'road', 'tree']
    found = measure_each(
        model, images, 'backbone',
        attribution=dict(type='GradCAM', scaled=True),
        target=dict(type='ClassRegion', classes=classes), classes=CLASSES,
    )  # fmt: skip
    assert sum(map(len, found)) == 4 * 2 + 2  # a tree in every second one
    for image, results in zip(images, found, strict=True):
        for key, result in results.items():
            index = CLASSES.index(key.split(':')[1])
            expected = scaled_cam(model, image, index)
            assert np.abs(result.map - expected).max() <= 1e-5
            assert result.map.min() == 0 and result.map.max() == 1
            assert result.kind == 'attention' and '0..1' in str(
                result.definition['map']
            )


def test_a_heat_map_without_any_positive_weight_stays_zero():
    net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 1, 1))
    nn.init.constant_(net[0].weight, 1.0)
    nn.init.constant_(net[1].weight, -1.0)
    nn.init.constant_(net[0].bias, 1.0)
    (results,) = measure_each(
        net, torch.rand(1, 3, 8, 8), '0',
        attribution=dict(type='GradCAM', scaled=True),
        target=dict(type='CentreUnit', relu=False),
    )  # fmt: skip
    assert not results['0'].map.any()
