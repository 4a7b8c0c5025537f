import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fake_ranks import together
from helpers.slow_reference import slow_map
from helpers.tiny_segmentor import CLASSES, Segmentor, scenes, trained
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.aggregate.batch_maps import (
    absent_everywhere,
    without_finite_map,
)
from mmerf.core.batch import batch_of
from mmerf.core.errors import ConfigError, MeasurementError, TargetError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions

LAYERS = ['backbone', 'decode_head']


def region(**options):
    return dict(type='ClassRegion', **options)


@pytest.fixture
def model():
    return trained()


def quietly(*args, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        results = measure_erf(*args, classes=CLASSES, **options)
    told = [str(warning.message) for warning in caught]
    return results, [text for text in told if 'there is no map' in text]


def reference(model, images, index, layer):
    """Aligned mean over images, units at input pixel 2 i, by plain loops."""
    canvas, used = np.zeros((160, 160)), 0
    with torch.no_grad():
        predictions = model(images).argmax(1)
    for image, labels in zip(images, predictions, strict=True):
        mask = labels[::2, ::2] == index
        if not mask.any():
            continue

        def score(x, mask=mask):
            features = model.backbone(x)
            if layer == 'decode_head':
                values = model.decode_head(features)[0, index]
            else:
                values = features[0].clamp(min=0).sum(0)
            return (values * mask).sum() / mask.sum()

        y, x = (2 * mask.nonzero().double().mean(0)).tolist()
        top, left = 80 - int(np.floor(y + 0.5)), 80 - int(np.floor(x + 0.5))
        used += 1
        canvas[top : top + 32, left : left + 40] += slow_map(
            image[None], score
        )
    return canvas / max(used, 1), used


@pytest.mark.parametrize('batch_size', [1, 4])
def test_each_class_over_its_predicted_region(model, batch_size):
    images, labels = scenes(4)
    assert (model(images).argmax(1) == labels).float().mean() > 0.95
    results, told = quietly(
        model, images, LAYERS, target=region(), batch_size=batch_size
    )
    seen = ('sky', 'road', 'tree')
    assert list(results) == [f'{k}:{c}' for k in LAYERS for c in seen]
    for layer in LAYERS:
        for index, name in enumerate(seen):
            result = results[f'{layer}:{name}']
            expected, used = reference(model, images, index, layer)
            top, left = (
                80 - int(np.floor(c + 0.5)) for c in result.unit_pixel
            )
            h, w = result.map.shape
            found = expected[top : top + h, left : left + w]
            assert np.abs(result.map - found).max() <= 1e-5 * found.max()
            assert found.sum() == pytest.approx(expected.sum())
            assert result.num_images == used
            assert result.absent_images == 4 - used
            assert result.layer == f'{layer}:{name}'
            assert result.unit is None and result.theory is None
            assert 'centroid' in result.definition['average']
    maps = [results[f'decode_head:{name}'].map for name in seen]
    shares = [m / m.sum() for m in maps]
    for i, one in enumerate(shares):
        for j in range(i):
            other = shares[j]
            assert one.shape != other.shape or (
                np.abs(one - other).sum() > 0.1
            )
    assert results['decode_head:tree'].absent_images == 2
    assert len(told) == 2 and all('boat: in none of the 4' in t for t in told)


def test_a_class_that_is_never_predicted_is_nothing_not_zeros(model):
    images, _ = scenes(2)
    with pytest.raises(MeasurementError, match='boat: in none of the 2 image'):
        measure_erf(
            model, images, LAYERS, target=region(classes='boat'),
            classes=CLASSES,
        )  # fmt: skip
    measurement = Measurement(
        model,
        MeasurementOptions(
            LAYERS, target=region(classes=['boat', 'sky']), classes=CLASSES
        ),
    )
    measurement.update(batch_of(measurement.model, images))
    assert list(measurement.compute()) == ['backbone:sky', 'decode_head:sky']
    assert set(absent_everywhere(measurement.accumulators)) == {
        'backbone:boat',
        'decode_head:boat',
    }
    assert not without_finite_map(measurement.accumulators)


def test_the_ground_truth_s_region_leaves_out_what_labels_ignore(model):
    images, labels = scenes(3)
    labels = torch.where(labels == 1, 255, labels)  # road is ignored
    measurement = Measurement(
        model,
        MeasurementOptions(
            'decode_head',
            target=region(classes=['sky', 'road'], region='ground_truth'),
            classes=CLASSES,
        ),
    )
    batch = batch_of(model, images)
    measurement.update(replace(batch, labels=lambda: labels))
    (result,) = measurement.compute().values()
    assert (
        'road: in none'
        in absent_everywhere(measurement.accumulators)['decode_head:road']
    )
    expected = 0
    for image, label in zip(images, labels, strict=True):
        mask = label[::2, ::2] == 0

        def score(x, mask=mask):
            return (model.decode_head(model.backbone(x))[0, 0] * mask).sum()

        expected += slow_map(image[None], score).sum() / int(mask.sum()) / 3
    assert result.map.sum() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(TargetError, match='img-dir') as caught:
        measurement.update(batch_of(measurement.model, images))
    assert '\n' not in str(caught.value)


def test_names_and_indices(model):
    images, _ = scenes(2)
    by_name = measure_erf(
        model, images, 'decode_head', target=region(classes=['road', 0]),
        classes=CLASSES,
    )  # fmt: skip
    assert list(by_name) == ['decode_head:road', 'decode_head:sky']
    by_index = measure_erf(
        model, images, 'decode_head', target=region(classes=1)
    )
    np.testing.assert_array_equal(
        by_index['decode_head:1'].map, by_name['decode_head:road'].map
    )


@pytest.mark.parametrize(
    ('classes', 'names', 'message'),
    [
        ('raod', CLASSES, "no class 'raod'; nearest: road"),
        ('zzz', CLASSES, 'nearest: sky, road, tree, boat'),
        (4, CLASSES, 'from 0 to 3'),
        (7, None, 'from 0 to 3'),
        (-1, CLASSES, 'from 0 to 3'),
        ('sky', None, 'give its index'),
        ([], CLASSES, 'at least one'),
        ([1.5], CLASSES, 'names or indices'),
    ],
)
def test_classes_that_do_not_exist(model, classes, names, message):
    with pytest.raises(ConfigError, match=message) as caught:
        measure_erf(
            model, scenes(1)[0], 'decode_head', target=region(classes=classes),
            classes=names,
        )  # fmt: skip
    assert '\n' not in str(caught.value)


def test_names_are_checked_before_anything_runs():
    with pytest.raises(ConfigError, match='nearest: road'):
        Measurement(
            nn.Sequential(nn.Conv2d(3, 1, 1)),
            MeasurementOptions(
                '0', target=[region(classes='roadd')], classes=CLASSES
            ),
        )
    with pytest.raises(ConfigError, match="'prediction' or 'ground_truth'"):
        measure_erf(nn.Conv2d(3, 1, 1), [], target=region(region='mask'))


def test_a_class_at_a_unit(model):
    images, _ = scenes(3)
    target = dict(type='ClassUnit', classes=['road', 'sky'], y=10, x=4)
    results, _ = quietly(model, images, 'decode_head', target=target)
    for name, index in (('road', 1), ('sky', 0)):
        result = results[f'decode_head:{name}']
        expected = slow_map(
            images,
            lambda x, i=index: model.decode_head(model.backbone(x))[
                0, i, 10, 4
            ],
        )
        assert np.abs(result.map - expected).max() <= 1e-6 * expected.max()
        assert result.unit == (10, 4) and result.unit_pixel == (20, 8)
    with pytest.raises(TargetError, match='12 channels, not one for each'):
        measure_erf(model, images, 'backbone', target=target, classes=CLASSES)


def test_a_binary_head_predicts_by_its_threshold():
    torch.manual_seed(0)
    model = Segmentor(classes=1)
    images, _ = scenes(2)
    sigmoid = model(images)[:, 0].sigmoid().detach()
    model.decode_head.threshold = float(sigmoid.median())
    labels = (sigmoid > model.decode_head.threshold).long()
    assert (labels != (sigmoid > 0.5)).any()
    both = measure_erf(
        model, images, 'decode_head', target=region(classes=[0, 1])
    )
    for index in (0, 1):
        sums = [
            slow_map(
                image[None],
                lambda x, m=(label[::2, ::2] == index), s=2 * index - 1: (
                    s * (model.decode_head(model.backbone(x))[0, 0] * m).sum()
                    / m.sum()
                ),
            ).sum()
            for image, label in zip(images, labels, strict=True)
            if (label[::2, ::2] == index).any()
        ]  # fmt: skip
        found = both[f'decode_head:{index}'].map.sum()
        assert found == pytest.approx(np.mean(sums), rel=1e-5)


def test_a_model_without_logits_predicts_no_class():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            return self.conv(x).mean(dim=(2, 3))

    with pytest.raises(TargetError, match='no logits'):
        measure_erf(Words(), scenes(1)[0], 'conv', target=region(classes=0))


def test_classes_of_two_halves_merge_as_ranks_do(model):
    images, _ = scenes(4)
    whole, _ = quietly(model, images, 'decode_head', target=region())
    halves = []
    for part in (images[::2], images[1::2]):  # no tree in the first
        measurement = Measurement(
            model,
            MeasurementOptions(
                'decode_head', target=region(), classes=CLASSES
            ),
        )
        measurement.update(batch_of(measurement.model, part))
        halves.append(measurement)
    (merged, _) = together(halves, _met)
    assert list(merged) == list(whole)
    for key, result in merged.items():
        assert result.absent_images == whole[key].absent_images
        np.testing.assert_allclose(
            result.map, whole[key].map, rtol=1e-5, atol=1e-9
        )


def _met(half, gather, add):
    half.reduce(gather, add)
    return half.compute()


def test_each_image_its_own_class(model):
    images, _ = scenes(2)
    targets = [region(classes='sky'), region(classes='tree')]
    results, told = quietly(model, images, 'decode_head', target=targets)
    assert {k: r.num_images for k, r in results.items()} == {
        'decode_head:sky': 1,
        'decode_head:tree': 1,
    }
    assert not told
    alone, _ = quietly(model, images[1:], 'decode_head', target=targets[1])
    key = 'decode_head:tree'
    np.testing.assert_allclose(results[key].map, alone[key].map, rtol=1e-5)


@pytest.mark.parametrize(
    'attribution',
    [
        dict(type='NoiseVariance', patch_size=16, draws=4),
        dict(type='Occlusion', patch_size=16),
        dict(type='SmoothGrad', samples=2),
        'MambaIR',
    ],
)
def test_other_attributions_keep_the_clean_image_s_region(model, attribution):
    images, _ = scenes(2)
    results, told = quietly(
        model, images, 'decode_head', target=region(), attribution=attribution
    )
    plain, _ = quietly(model, images, 'decode_head', target=region())
    assert list(results) == list(plain) and len(told) == 1
    for key, result in results.items():
        assert result.unit_pixel == plain[key].unit_pixel
        assert result.absent_images == plain[key].absent_images
        assert result.map.any()


def test_results_with_absent_images_are_stored(model, tmp_path):
    results, _ = quietly(model, scenes(4)[0], 'decode_head', target=region())
    result = results['decode_head:tree']
    loaded = ERFResult.load(result.save(tmp_path / 'x.npz'))
    assert loaded.absent_images == 2 and loaded.layer == 'decode_head:tree'
