from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like, slow_map
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.attributions import InputGradient
from mmerf.core.batch import batch_of
from mmerf.core.errors import ConfigError, TargetError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.targets import Target, Unit, UnitGrid, UnitSample


def net():
    """Units at input pixel 2 i."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2), nn.Conv2d(4, 6, 3, 1, 1))


def single(model, image, unit):
    y, x = unit
    return slow_map(
        image[None], lambda i: model(i)[0, :, y, x].clamp(min=0).sum()
    )


def aligned(model, images, units, centre=(40, 40)):
    """Mean over images of the mean over units, each laid at one pixel."""
    canvas = np.zeros((80, 80))
    for image in images:
        h, w = image.shape[1:]
        for unit in units:
            top, left = centre[0] - 2 * unit[0], centre[1] - 2 * unit[1]
            canvas[top : top + h, left : left + w] += single(
                model, image, unit
            ) / (len(images) * len(units))
    return canvas


def on_canvas(result, array, centre=(40, 40)):
    """The part of an 80 x 80 canvas that a result's map covers."""
    top, left = (int(c - p) for c, p in zip(centre, result.unit_pixel,
                                            strict=True))  # fmt: skip
    h, w = result.map.shape
    return array[top : top + h, left : left + w]


@pytest.mark.parametrize(
    ('target', 'units'),
    [
        (
            dict(type='UnitGrid', rows=2, columns=3),
            [(y, x) for y in (2, 6) for x in (1, 4, 7)],
        ),
        (dict(type='UnitSample', count=4, seed=3), None),
    ],
)
@pytest.mark.parametrize('batch_size', [1, 2])
def test_units_are_averaged_each_about_its_own_pixel(
    target, units, batch_size
):
    model, images = net(), images_like(2, 16, 18)
    result = measure_erf(
        model, images, ['1'], target=target, batch_size=batch_size
    )['1']
    units = units or UnitSample(4, 3).units((8, 9))
    expected = aligned(model, images, units)
    found = on_canvas(result, expected)
    assert np.abs(result.map - found).max() <= 1e-6 * expected.max()
    assert found.sum() == pytest.approx(expected.sum())
    assert result.num_images == 2 and result.units == 2 * len(units)
    assert result.unit is None and result.sizes == ((16, 18, 2),)
    frames = np.zeros((80, 80))
    for y, x in units:
        frames[40 - 2 * y : 56 - 2 * y, 40 - 2 * x : 58 - 2 * x] += 2
    np.testing.assert_allclose(
        result.coverage, on_canvas(result, frames / len(units))
    )
    assert 'each of' in result.definition['score']
    square = result.statistics()['centred_square']['0.99']
    assert square['side'] < 16  # as large as the field: 9 px
    inside = square['side'] ** 2 / (16 * 18)  # of an image, not the canvas
    assert square['area_ratio'] == pytest.approx(inside)


def test_one_unit_of_a_grid_is_the_centre_unit():
    model, images = net(), images_like(3, 16, 18)
    one = measure_erf(model, images, ['0', '1'], target=UnitGrid(1, 1))
    centre = measure_erf(model, images, ['0', '1'])
    for key, result in one.items():
        np.testing.assert_array_equal(result.map, centre[key].map)
        assert result.coverage is None
        assert result.uncertainty == centre[key].uncertainty


@pytest.mark.usefixtures('as_few')
def test_units_are_found_in_one_forward():
    model, calls = net(), []
    model[0].register_forward_hook(lambda *args: calls.append(1))
    measure_erf(model, images_like(1, 16, 18), ['1'], target=UnitGrid(3, 3))
    assert len(calls) == 1


def test_standard_errors_are_over_images_not_over_units():
    """Twice the same units add no information."""
    model, images = net(), images_like(4, 16, 18)
    unit = dict(type='Unit', y=4, x=4)

    class Twice(Target):
        def parts(self, output, context):
            return 2 * Unit(4, 4).parts(output, context)

    once = measure_erf(model, images, ['1'], target=unit)['1']
    twice = measure_erf(model, images, ['1'], target=Twice())['1']
    np.testing.assert_allclose(twice.map, once.map, rtol=1e-12)
    np.testing.assert_allclose(twice.stderr, once.stderr, rtol=1e-9)
    side = once.uncertainty['side']['0.5']['stderr']
    assert twice.uncertainty['side']['0.5']['stderr'] == pytest.approx(side)


def test_zero_scores_and_non_finite_maps_are_counted_per_unit():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(model[0].weight)
    images = torch.ones(2, 1, 4, 4)
    images[0, :, :, 2:] = -1  # half of the first image's units
    images[1, :, 0, 0] = float('inf')
    measurement = Measurement(
        model, MeasurementOptions(['0'], target=UnitGrid(4, 4))
    )
    batch = batch_of(model, images)
    measurement.update(replace(batch, names=['a', 'b']))
    result = measurement.compute()['0']
    assert result.zero_score_units == 8 and result.zero_score_images == 0
    assert result.num_images == 2 and result.units == 31
    assert len(result.excluded) == 1 and result.excluded[0].startswith('b')
    y, x = (int(c) for c in result.unit_pixel)
    assert result.map[y, x] == pytest.approx((0.5 + 1.0) / 2)


def test_layers_with_fewer_units_give_all_they_have():
    assert len(UnitGrid(5, 7).units((3, 9))) == 3 * 7
    assert UnitGrid(5, 7).units((3, 9))[0] == (0, 0)
    drawn = UnitSample(10, seed=1).units((6, 7))
    assert len(set(drawn)) == 10
    assert drawn == UnitSample(10, seed=1).units((6, 7))
    assert drawn != UnitSample(10, seed=2).units((6, 7))


@pytest.mark.parametrize(
    'target',
    [
        dict(type='UnitGrid', rows=0, columns=2),
        dict(type='UnitGrid', rows=2),
        dict(type='UnitSample', count=1.5),
    ],
)
def test_numbers_that_cannot_be_followed(target):
    with pytest.raises(ConfigError):
        measure_erf(net(), images_like(1, 8, 8), ['0'], target=target)


def six_targets():
    return [
        dict(type='Unit', y=1, x=2),
        None,
        dict(type='Pixel', y=3, x=9),
        'CentreUnit',
        dict(type='Unit', y=-1, x=-1, relu=False),
        dict(type='CentreUnit', channels=[0, 2]),
    ]


@pytest.mark.parametrize('batch_size', [None, 1, 4])
@pytest.mark.parametrize(
    'attribution', [None, dict(type='Occlusion', patch_size=3)]
)
def test_six_images_with_six_targets_equal_six_single_runs(
    batch_size, attribution
):
    model, images = net(), images_like(6, 16, 18)
    canvas = np.zeros((80, 80))
    measured = measure_erf(
        model,
        images,
        ['1'],
        target=six_targets(),
        attribution=attribution,
        batch_size=batch_size,
    )['1']
    for image, target in zip(images, six_targets(), strict=True):
        one = measure_erf(
            model, image[None], ['1'], target=target, attribution=attribution
        )['1']
        top, left = (int(40 - p) for p in one.unit_pixel)
        canvas[top : top + 16, left : left + 18] += one.map / 6
    expected = on_canvas(measured, canvas)
    assert np.abs(measured.map - expected).max() <= 1e-5 * canvas.max()
    assert expected.sum() == pytest.approx(canvas.sum())
    assert measured.num_images == 6 and measured.unit is None


def test_per_image_maps_equal_those_of_single_runs():
    """Before any averaging: what the attribution gives for each image."""
    model, images = net(), images_like(6, 16, 18)
    seen = []

    class Spy(InputGradient):
        def __call__(self, *args):
            for found in super().__call__(*args):
                seen.append(found.maps.double().numpy())
                yield found

    measure_erf(model, images, ['1'], target=six_targets(), attribution=Spy())
    (maps,) = seen
    for image, target, found in zip(images, six_targets(), maps, strict=True):
        one = measure_erf(model, image[None], ['1'], target=target)['1']
        assert np.abs(found - one.map).max() <= 1e-6 * one.map.max()


def test_a_list_of_targets_of_another_length_quotes_both():
    with pytest.raises(TargetError, match='6 targets for 5 image') as caught:
        measure_erf(net(), images_like(5, 8, 8), ['1'], target=six_targets())
    assert '\n' not in str(caught.value)


def test_results_of_several_units_are_stored_whole(tmp_path):
    result = measure_erf(
        net(), images_like(2, 16, 18), ['1'], target=UnitGrid(2, 2)
    )['1']
    loaded = ERFResult.load(result.save(tmp_path / 'x.npz'))
    assert loaded.units == 8 and loaded.absent_images == 0
    assert loaded.zero_score_units == result.zero_score_units
    np.testing.assert_array_equal(loaded.coverage, result.coverage)
    assert loaded.statistics() == result.statistics()
