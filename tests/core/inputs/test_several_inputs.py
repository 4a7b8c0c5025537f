"""Several inputs against plain autograd: one map each, cut together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fake_ranks import together
from helpers.several_inputs import (
    NETS,
    Fusion,
    Siamese,
    close,
    drawn,
    expected_maps,
    seeded,
)
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import ConfigError, MeasurementError
from mmerf.core.inputs.forms import batches_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions


@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('size', [None, 2])
@pytest.mark.parametrize('unit', [None, (1, 3)])
def test_equals_autograd_of_each_input(net, size, unit):
    make, names = NETS[net]
    model, inputs = seeded(make()), drawn(names.values())
    target = dict(type='CentreUnit')
    if unit is not None:
        target = dict(type='Unit', y=unit[0], x=unit[1])
    results = measure_erf(
        model,
        dict(zip(names, inputs, strict=True)),
        'head',
        target=target,
        batch_size=size,
    )
    assert list(results) == [f'head@{name}' for name in names]
    every = expected_maps(model, inputs, unit=unit)
    for (name, result), maps in zip(results.items(), every, strict=True):
        close(result, maps)
        assert (result.layer, result.num_images) == (name, 5)
        kind = f'whole image, input {name[5:]} of {", ".join(names)}'
        assert result.definition['input'] == kind


@pytest.mark.parametrize('net', ['rgb and depth', 'two dates'])
def test_windows_hold_the_field_of_every_input(net):
    make, names = NETS[net]
    model, inputs = seeded(make()), drawn(names.values(), 2, 200, 168)
    results = measure_erf(model, tuple(inputs), 'head', batch_size=1)
    every = expected_maps(model, inputs)
    assert list(results) == ['head@input0', 'head@input1']
    for result, maps in zip(results.values(), every, strict=True):
        assert result.provenance['run_on'].startswith('window')
        close(result, maps)


def test_a_layer_of_one_input_alone():
    model, (rgb, depth) = seeded(Fusion()), drawn((3, 1))
    results = measure_erf(model, (rgb, depth), ['rgb', 'head'])
    assert not results['rgb@input1'].map.any()
    close(results['rgb@input0'], expected_maps(model.rgb, [rgb])[0])


def test_calls_of_a_shared_encoder_are_told_from_inputs():
    model, dates = seeded(Siamese()), drawn((3, 3))
    results = measure_erf(model, tuple(dates), ['encoder@0', 'encoder'])
    assert list(results)[:2] == ['encoder@0@input0', 'encoder@0@input1']
    for call, own in ((0, 'encoder@0@input0'), (1, 'encoder@input1')):
        close(results[own], expected_maps(model.encoder, [dates[call]])[0])
        assert results[own].provenance['run_on'] == 'whole image'
    assert not results['encoder@0@input1'].map.any()


def test_forward_gets_the_same_form_cut_to_the_pass():
    model, (rgb, depth) = seeded(Fusion()), drawn((3, 1))
    seen = set()

    def forward(inputs):
        assert list(inputs) == ['colour', 'metres']
        seen.add(tuple(len(x) for x in inputs.values()))
        return model(inputs['colour'], inputs['metres'])

    results = measure_erf(
        model,
        {'colour': rgb, 'metres': depth},
        'head',
        forward=forward,
        batch_size=3,
    )
    assert (3, 3) in seen
    assert all(a == b for a, b in seen)
    every = expected_maps(model, [rgb, depth])
    for result, maps in zip(results.values(), every, strict=True):
        close(result, maps)


def test_classes_resizing_reduced_precision_and_files(tmp_path):
    model = seeded(Fusion(), torch.float32)
    inputs = tuple(x.float() for x in drawn((3, 1)))
    results = measure_erf(
        model,
        inputs,
        'head',
        target=dict(type='ClassUnit', classes=['road']),
        classes=['road', 'sky', 'tree', 'car'],
        input_size=(16, 32),
        amp='bfloat16',
    )
    assert list(results) == ['head@input0:road', 'head@input1:road']
    for key, result in results.items():
        assert result.map.shape == (16, 32)
        assert result.provenance['deviation_from_float32']['images'] == 2
        loaded = ERFResult.load(result.save(Path(tmp_path, 'result.npz')))
        assert (loaded.layer, loaded.definition) == (key, result.definition)
        np.testing.assert_array_equal(loaded.map, result.map)


def test_theory_of_each_input():
    results = measure_erf(
        seeded(Fusion()), tuple(drawn((3, 1))), 'head', theory=True
    )
    # Two kernels, of which the second lies on a grid of stride 2.
    sides = [result.theory.size for result in results.values()]
    assert sides == [(5 + 2 * 2,) * 2, (9 + 2 * 2,) * 2]


def test_a_layer_that_an_input_does_not_reach_has_no_theory():
    with pytest.warns(UserWarning, match='rgb@input1: it depends on no pixel'):
        results = measure_erf(
            seeded(Fusion()), tuple(drawn((3, 1))), 'rgb', theory=True
        )
    assert results['rgb@input0'].theory.size == (5, 5)
    assert results['rgb@input1'].theory is None


def test_targets_of_single_images_stay_with_them():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    units = [(2, 2), (5, 5), (7, 4), (3, 8), (9, 1)]
    results = measure_erf(
        model,
        tuple(inputs),
        'head',
        target=[dict(type='Unit', y=y, x=x) for y, x in units],
        batch_size=2,
    )
    total = {}
    for i, unit in enumerate(units):
        alone = measure_erf(
            model,
            tuple(x[i : i + 1] for x in inputs),
            'head',
            target=dict(type='Unit', y=unit[0], x=unit[1]),
        )
        for key, result in alone.items():
            total[key] = total.get(key, 0) + result.map.sum() / 5
    for key, result in results.items():
        assert result.map.sum() == pytest.approx(total[key], rel=1e-9)


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        ({'0': torch.rand(2, 3, 8, 8)}, "no number, not '0'"),
        ({'a@b': torch.rand(2, 3, 8, 8)}, '@'),
        ((torch.rand(2, 3, 8, 8), torch.rand(2, 1, 4, 4)), 'resize them'),
        ((torch.rand(2, 3, 8, 8), torch.rand(1, 1, 8, 8)), 'differ'),
        ((torch.rand(2, 3, 8, 8), torch.zeros(2).long()), 'int64'),
        ((), 'there is no input'),
        ({'rgb': torch.rand(2, 3, 8, 8), 'd': torch.rand(2, 1, 8, 8)}, 'dept'),
        (None, 'a mapping of such Tensors'),
    ],
)
def test_what_does_not_fit_is_one_line(images, message):
    with pytest.raises(ConfigError, match=message) as caught:
        measure_erf(Fusion(), images, 'head')
    assert '\n' not in str(caught.value)


def test_batches_have_the_same_inputs():
    rgb, depth = (x.float() for x in drawn((3, 1)))
    with pytest.raises(MeasurementError, match='other inputs'):
        measure_erf(
            Fusion(), [(rgb, depth), {'rgb': rgb, 'depth': depth}], 'head'
        )


class Pooled(nn.Module):
    """A max pooling of each input."""

    def __init__(self):
        super().__init__()
        for name, channels in (('rgb', 3), ('depth', 1)):
            layers = nn.Conv2d(channels, 4, 3, 1, 1), nn.MaxPool2d(2)
            self.add_module(name, nn.Sequential(*layers))
        self.head = nn.Conv2d(8, 4, 3, 1, 1)

    def forward(self, rgb, depth):
        return self.head(torch.cat([self.rgb(rgb), self.depth(depth)], 1))


@pytest.mark.parametrize('seed', range(3))
def test_a_flat_part_of_one_input_is_chosen_from_as_in_a_plain_forward(seed):
    model = seeded(Pooled(), torch.float32)
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randn(2, 3, 200, 200, generator=generator)
    depth = torch.randn(2, 1, 200, 200, generator=generator)
    depth[:, :, 60:140, 60:140] = 0.3
    results = measure_erf(model, (rgb, depth), 'head')
    every = expected_maps(model, [rgb, depth])
    for result, maps in zip(results.values(), every, strict=True):
        assert 'window' in result.provenance['run_on']
        assert 'equal values' in result.provenance['run_on']
        close(result, maps, 1e-5)


def test_ranks_meet_and_one_has_no_image():
    model, inputs = seeded(Fusion()), drawn((3, 1))
    parts = []
    for share in (slice(0, 2), slice(2, 5), slice(0, 0)):
        part = Measurement(model, MeasurementOptions('head'))
        own = tuple(x[share] for x in inputs)
        for batch in batches_of(model, own) if len(own[0]) else ():
            part.update(batch)
        parts.append(part)

    def meet(part, gather, add):
        part.reduce(gather, add)
        return part.compute()

    every = expected_maps(model, inputs)
    for results in together(parts, meet):
        for result, maps in zip(results.values(), every, strict=True):
            close(result, maps)
            assert result.definition['input'].endswith('of input0, input1')
            assert result.provenance['run_on'] is None or (
                result.provenance['run_on'] == 'whole image'
            )
