"""Contributions by the class of their pixels, measured end to end."""

import copy
import warnings

import numpy as np
import pytest
import torch
from helpers.fake_ranks import together
from helpers.slow_reference import slow_map
from helpers.tiny_segmentor import CLASSES, scenes, trained
from scipy import ndimage
from torch import nn

from mmerf import measure_by_class
from mmerf.core.batch import batch_of
from mmerf.core.by_class.contexts import class_contexts
from mmerf.core.errors import ConfigError, MeasurementError, TargetError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.results.over_images import mean_and_stderr

LAYERS = ['backbone', 'decode_head']


@pytest.fixture
def model():
    return trained()


def quietly(*args, classes=CLASSES, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '.*so there is no map')
        return measure_by_class(*args, classes=classes, **options)


def largest(mask):
    numbered, count = ndimage.label(mask)
    sizes = [(numbered == i).sum() for i in range(1, count + 1)]
    return numbered == 1 + int(np.argmax(sizes))


def slow_rows(model, images, index, layer):
    """Own segment, then each class's share, by loops; None where absent."""
    with torch.no_grad():
        predictions = model(images).argmax(1)
    for image, classes in zip(images, predictions.numpy(), strict=True):
        at_units = classes[::2, ::2] == index
        if not at_units.any():
            continue
        mask = torch.from_numpy(largest(at_units))

        def score(x, mask=mask):
            features = model.backbone(x)
            if layer == 'decode_head':
                values = model.decode_head(features)[0, index]
            else:
                values = features[0].clamp(min=0).sum(0)
            return (values * mask).sum() / mask.sum()

        found = slow_map(image[None], score)
        numbered, _ = ndimage.label(classes == index)
        units = np.argwhere(mask.numpy())
        segments = {numbered[2 * y, 2 * x] for y, x in units}
        sums = np.zeros(5)
        for y in range(found.shape[0]):
            for x in range(found.shape[1]):
                sums[0] += found[y, x] * (numbered[y, x] in segments)
                sums[1 + classes[y, x]] += found[y, x]
        yield sums / found.sum()


@pytest.mark.parametrize('batch_size', [1, 4])
def test_agrees_with_a_slow_loop(model, batch_size):
    images, _ = scenes(4)
    found = quietly(model, images, LAYERS, batch_size=batch_size)
    assert list(found) == LAYERS
    for layer, context in found.items():
        assert context.rows == CLASSES[:3]  # no image shows the last
        assert context.columns == (*CLASSES, 'unlabelled')
        assert context.images == (4, 4, 2)
        assert context.absent_images == (0, 0, 2)
        assert context.zero_images == (0, 0, 0)
        assert np.allclose(context.shares.sum(axis=1), 1)
        assert np.allclose(context.split.sum(axis=1), 1)
        assert 'largest connected' in context.definition['score']
        for index in range(3):
            rows = np.array(list(slow_rows(model, images, index, layer)))
            mean = rows.mean(axis=0)
            error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
            shares = context.shares[index]
            assert shares[:4] == pytest.approx(mean[1:], abs=1e-5)
            assert shares[4] == 0
            assert context.shares_stderr[index, :4] == pytest.approx(
                error[1:], abs=1e-5
            )
            assert context.split[index] == pytest.approx(
                [mean[0], shares[index] - mean[0], 1 - shares[index]], abs=1e-5
            )
            assert context.own_class_share[index] == pytest.approx(
                shares[index]
            )
    own = found['backbone'].shares[:2, :2].diagonal()
    assert (own > 0.8).all()  # small fields in large regions


def test_swapping_two_classes_swaps_rows_and_columns(model):
    images, _ = scenes(4)
    before = quietly(model, images, 'decode_head')['decode_head']
    order = [1, 0, 2, 3]
    swapped = copy.deepcopy(model)
    with torch.no_grad():
        swapped.decode_head.weight.copy_(model.decode_head.weight[order])
        swapped.decode_head.bias.copy_(model.decode_head.bias[order])
    after = quietly(
        swapped, images, 'decode_head', classes=[CLASSES[i] for i in order]
    )['decode_head']
    assert after.rows == ('road', 'sky', 'tree')
    rows, columns = [1, 0, 2], [1, 0, 2, 3, 4]
    assert np.allclose(after.shares, before.shares[rows][:, columns])
    assert np.allclose(after.split, before.split[rows])
    assert not np.allclose(after.shares, before.shares)


def test_standard_errors_against_numpy():
    values = np.random.default_rng(0).random((5, 3))
    mean, error = mean_and_stderr(values)
    assert mean == pytest.approx(np.mean(values, axis=0))
    expected = np.sqrt(np.var(values, axis=0, ddof=1) / 5)
    assert error == pytest.approx(expected)
    assert np.isnan(mean_and_stderr(values[:1])[1]).all()


def test_labels_with_ignored_pixels(model):
    images, labels = scenes(4)
    labels = labels.clone()
    labels[:, :, 30:] = 255
    options = MeasurementOptions('decode_head', classes=CLASSES,
                                 by_class='label')  # fmt: skip
    measurement = Measurement(model, options)
    batch = batch_of(model, images)
    object.__setattr__(batch, 'labels', lambda: labels)
    measurement.update(batch)
    context = class_contexts(measurement, measurement.compute())['decode_head']
    assert context.by_class == 'label'
    assert 'in the labels' in context.definition['score']
    assert (context.shares[:, -1] > 0.001).all()
    assert np.allclose(context.shares.sum(axis=1), 1)


def test_ranks_together_are_one_process(model):
    images, _ = scenes(4)
    options = MeasurementOptions('backbone', classes=CLASSES,
                                 by_class='prediction')  # fmt: skip
    ranks = [Measurement(model, options) for _ in range(2)]
    ranks[0].update(batch_of(model, images[:3]))
    ranks[1].update(batch_of(model, images[3:], 3))

    def work(rank, gather, add):
        rank.reduce(gather, add)
        return class_contexts(rank, rank.compute())['backbone']

    alone = quietly(model, images, 'backbone')['backbone']
    for found in together(ranks, work):
        assert found.rows == alone.rows and found.images == alone.images
        assert np.allclose(found.shares, alone.shares)
        assert np.allclose(found.shares_stderr, alone.shares_stderr)


def test_images_whose_map_is_zero_are_left_out():
    """Relu of a negative output: no contribution, so no shares."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    nn.init.zeros_(net[0].weight)
    nn.init.constant_(net[0].bias, -1.0)
    found = measure_by_class(net, torch.rand(2, 3, 6, 6), '0')['0']
    assert found.rows == () and found.shares.shape == (0, 3)
    assert found.split.shape == (0, 3) and found.record()['shares'] == []


def test_one_line_errors(model):
    images, _ = scenes(2)
    for options, text in (
        (dict(target='CentreUnit'), 'needs a target of classes, not Centre'),
        (dict(target=['ClassRegion'] * 2), 'of classes, not PerImage'),
        (dict(target=dict(type='ClassRegion', region='ground_truth')),
         "needs a target with region='prediction'"),
        (dict(attribution='GradCAM'), 'GradCAM does not give'),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=text) as caught:
            measure_by_class(model, images, LAYERS, **options)
        assert '\n' not in str(caught.value)
    with pytest.raises(ConfigError, match="'prediction' or 'label' or None"):
        MeasurementOptions(by_class='both')
    with pytest.raises(TargetError, match='predicts no class'):
        measure_by_class(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()),
                         images, '0')  # fmt: skip
    with pytest.raises(MeasurementError, match='boat: in none of the 2'):
        target = dict(type='ClassRegion', classes='boat')
        quietly(model, images, 'backbone', target=target)
    labels = MeasurementOptions('backbone', by_class='label', classes=CLASSES)
    with pytest.raises(TargetError, match='needs the labels'):
        Measurement(model, labels).update(batch_of(model, images))


def test_a_class_called_unlabelled_has_a_column_of_its_own(model):
    names = ['unlabelled', *CLASSES[1:]]
    found = quietly(model, scenes(1)[0], 'backbone', classes=names)
    assert found['backbone'].columns == (*names, '(unlabelled)')
    assert np.isnan(found['backbone'].shares_stderr).all()
