"""Auxiliary heads, windows, test-time augmentation, odd inputs, wrappers."""

import copy

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, HEAD, build
from helpers.slow_reference import centre_score, images_like, slow_map
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample
from torch import nn
from torch.nn import functional

from mmerf.core.errors import ConfigError, LayerError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.engine.batches.forwards import forward_of
from mmerf.engine.batches.prepare_batch import (
    prepare,
    prepare_tensor,
    unwrapped,
)
from mmerf.engine.batches.slide_window import middle_window

AUXILIARY = dict(
    type='FCNHead', in_channels=32, in_index=2, channels=4, num_convs=1,
    concat_input=False, **HEAD,
)  # fmt: skip


def measure(model, images, layers):
    inner = unwrapped(model)
    measurement = Measurement(inner, MeasurementOptions(layers))
    batch = prepare_tensor(inner, images, measurement.layers)
    measurement.update(batch)
    return measurement.compute()


def close(found, expected):
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= 1e-6 * expected.max()


def positive(head):
    nn.init.uniform_(head.conv_seg.bias, 1, 2)


@pytest.mark.parametrize('several', [False, True])
def test_auxiliary_heads_run_when_asked_for_by_name(several):
    auxiliary = [AUXILIARY, AUXILIARY] if several else AUXILIARY
    model = build({**FCN, 'auxiliary_head': auxiliary})
    heads = list(model.auxiliary_head) if several else [model.auxiliary_head]
    for head in heads:
        positive(head)
    images = images_like(2, 32, 48)
    results = measure(model, images, ['auxiliary_head', 'backbone[0]'])
    keys = [f'auxiliary_head.{i}' for i in (0, 1)] if several else [
        'auxiliary_head'
    ]  # fmt: skip
    assert list(results) == [*keys, 'backbone[0]']
    for key, head in zip(keys, heads, strict=True):
        close(
            results[key].map,
            slow_map(
                images,
                lambda x, h=head: centre_score(
                    h.forward(model.extract_feat(x))
                ),
            ),
        )
    assert 'extract_feat' not in model.__dict__


def test_an_auxiliary_head_that_does_not_exist(fcn):
    with pytest.raises(LayerError, match="no layer matches 'auxiliary_head'"):
        measure(fcn, images_like(1, 32, 48), ['auxiliary_head'])


def test_globs_pass_over_what_is_not_run():
    model = build({**FCN, 'auxiliary_head': AUXILIARY})
    results = measure(model, images_like(1, 32, 48), ['**.conv_seg'])
    assert 'decode_head.conv_seg' in results
    with pytest.raises(LayerError, match='none of the layers that match'):
        measure(build(FCN), images_like(1, 32, 48), ['decode_head.loss*'])


@pytest.mark.parametrize(
    ('size', 'crop', 'stride'),
    [((32, 48), (32, 32), (16, 16)), ((64, 64), (32, 24), (20, 20)),
     ((20, 90), (32, 32), (21, 21)), ((33, 47), (32, 32), (5, 7))],
)  # fmt: skip
def test_slide_window_is_one_that_sliding_runs(size, crop, stride):
    model = build(
        {
            **FCN,
            'test_cfg': ConfigDict(
                mode='slide', crop_size=crop, stride=stride
            ),
        }
    )
    ran = []
    image = torch.zeros(1, 3, *size)
    image[:] = torch.arange(size[0] * size[1]).view(size)  # tells its place

    def spy(window, metas):
        ran.append(window.clone())
        return torch.zeros(1, 2, *window.shape[2:])

    model.encode_decode = spy
    model.slide_inference(image, [dict(img_shape=size, ori_shape=size)])
    del model.encode_decode
    rows, columns = middle_window(model, size)
    chosen = image[..., rows, columns]
    assert any(torch.equal(chosen, window) for window in ran)
    centre = [(s.start + s.stop - n) / 2 for s, n in
              zip((rows, columns), size, strict=True)]  # fmt: skip
    assert all(
        abs(c) <= step / 2 or n <= k
        for c, step, n, k in zip(centre, stride, size, crop, strict=True)
    )


def test_slide_mode_measures_one_window_and_says_so(fcn):
    fcn.test_cfg = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    data = dict(
        inputs=[torch.randint(0, 255, (3, 64, 96), dtype=torch.uint8)],
        data_samples=[SegDataSample(metainfo=dict(img_shape=(64, 96)))],
    )
    measurement = Measurement(fcn, MeasurementOptions(['backbone[1]']))
    batch = prepare(fcn, data)
    measurement.update(batch)
    result = measurement.compute()['backbone[1]']
    assert result.map.shape == (32, 32)
    assert '32 x 32' in result.definition['input']
    whole = fcn.data_preprocessor(copy.deepcopy(data), False)['inputs']
    window = whole[..., 16:48, 32:64]
    close(
        result.map,
        slow_map(window, lambda x: centre_score(fcn.backbone(x)[1])),
    )


def augmented(scales_and_flips):
    """A collated batch of two images as TestTimeAug gives it."""
    inputs, samples = [], []
    for number, (scale, flip) in enumerate(scales_and_flips):
        size = (int(32 * scale), int(48 * scale))
        meta = dict(
            img_shape=size, ori_shape=(32, 48), flip=flip,
            scale_factor=(scale, scale),
        )  # fmt: skip
        inputs.append([torch.full((3, *size), number, dtype=torch.uint8)] * 2)
        samples.append([SegDataSample(metainfo=meta) for _ in range(2)])
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize(
    ('augmentations', 'chosen'),
    [
        ([(0.5, False), (1.0, True), (1.0, False), (1.5, False)], 2),
        ([(0.5, False), (1.5, False), (1.0, True)], 1),
        ([(1.0, True), (2.0, True)], 0),
    ],
)
def test_augmentation_nearest_to_plain(fcn, augmentations, chosen):
    model = SegTTAModel(module=fcn)
    batch = prepare(model, augmented(augmentations), only=[1])
    scale = augmentations[chosen][0]
    assert batch.inputs.shape == (1, 3, int(32 * scale), int(48 * scale))
    mean = fcn.data_preprocessor.mean.view(-1)
    std = fcn.data_preprocessor.std.view(-1)
    expected = (chosen - mean) / std
    assert torch.allclose(batch.inputs[0, :, 0, 0], expected)
    assert unwrapped(model) is fcn


@pytest.mark.parametrize('channels', [1, 4, 6])
def test_any_number_of_input_channels(channels):
    model = build(
        {
            **FCN,
            'data_preprocessor': dict(type='SegDataPreProcessor'),
            'backbone': {**FCN['backbone'], 'in_channels': channels},
        }
    )
    data = dict(
        inputs=[torch.rand(channels, 32, 48) for _ in range(2)],
        data_samples=[SegDataSample() for _ in range(2)],
    )
    measurement = Measurement(model, MeasurementOptions(['backbone[0]']))
    measurement.update(prepare(model, data))
    images = torch.stack(data['inputs'])
    close(
        measurement.compute()['backbone[0]'].map,
        slow_map(images, lambda x: centre_score(model.backbone(x)[0])),
    )


class TwoInputs(nn.Module):
    """Takes {'image', 'depth', 'weight'}; the weight is no image."""

    def __init__(self):
        super().__init__()
        self.image = nn.Conv2d(3, 4, 3, padding=1)
        self.depth = nn.Conv2d(1, 4, 3, padding=1)
        self.fused = nn.Identity()

    def data_preprocessor(self, data, training):
        inputs = {
            'image': torch.stack(data['inputs']['image']).float(),
            'depth': torch.stack(data['inputs']['depth']).float(),
            'weight': torch.tensor([[1.0], [2.0], [3.0]])[
                : len(data['inputs']['image'])
            ],
        }
        return dict(inputs=inputs, data_samples=None)

    def forward(self, inputs, samples=None, mode='tensor'):
        image = self.image(inputs['image'])
        depth = functional.interpolate(inputs['depth'], image.shape[2:])
        both = image * self.depth(depth)
        return self.fused(both * inputs['weight'][:, :, None, None])


@pytest.mark.parametrize('depth_side', [8, 4])
def test_multi_input_preprocessors_measure_every_image(depth_side):
    """All that agree in size; else the first, which the keys name."""
    model = TwoInputs()
    nn.init.uniform_(model.image.bias, 1, 2)
    nn.init.uniform_(model.depth.weight, 0, 1)
    data = dict(
        inputs={
            'image': list(torch.rand(3, 3, 8, 10)),
            'depth': list(torch.rand(3, 1, depth_side, 10)),
        }
    )
    measurement = Measurement(
        model, MeasurementOptions(['fused'], batch_size=2)
    )
    batch = prepare(model, data)
    measurement.update(batch)
    results = measurement.compute()
    names = ['image', 'depth'] if depth_side == 8 else ['image']
    assert list(results) == [f'fused@{name}' for name in names]
    whole = model.data_preprocessor(data, False)['inputs']
    for name in names:
        total = np.zeros((8, 10))
        for i in range(3):
            parts = {k: v[i : i + 1] for k, v in whole.items()}
            total += slow_map(
                parts[name],
                lambda x, p=parts, n=name: centre_score(model({**p, n: x})),
            )
        result = results[f'fused@{name}']
        close(result.map, total / 3)
        assert result.definition['input'].startswith(
            f'whole image, input {name}'
        )
    resized = Measurement(
        model, MeasurementOptions(['fused'], input_size=(4, 5))
    )
    resized.update(batch)
    assert resized.compute()['fused@image'].map.shape == (4, 5)


def test_inputs_without_any_image():
    model = TwoInputs()
    model.data_preprocessor = lambda data, training: dict(
        inputs={'text': torch.zeros(2, 5)}, data_samples=None
    )
    with pytest.raises(ConfigError, match='measure_erf'):
        prepare(model, dict(inputs=[]))


def test_ddp_wrapped_models_give_the_same_map(fcn, tmp_path):
    from mmengine.model import MMDistributedDataParallel
    from torch import distributed

    images = images_like(2, 32, 48)
    alone = measure(fcn, images, ['backbone[2]', 'decode_head'])
    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        wrapped = MMDistributedDataParallel(fcn)
        assert unwrapped(wrapped) is fcn
        found = measure(wrapped, images, ['backbone[2]', 'decode_head'])
        loss = wrapped(images, mode='tensor').sum()
        loss.backward()  # its gradient hooks survived the measurement
        assert all(
            p.grad is not None
            for n, p in fcn.named_parameters()
            if 'conv_seg' in n
        )
        # Before its group: else its end waits for gloo's threads, and holds
        # the interpreter that they need.
        del wrapped, loss
    finally:
        distributed.destroy_process_group()
    for key, result in alone.items():
        np.testing.assert_array_equal(found[key].map, result.map)


def test_compiled_models_are_seen_through(fcn):
    compiled = torch.compile(fcn)
    assert unwrapped(compiled) is fcn


class Masked(BaseModel):
    """As a DETR: what lies outside of ``img_shape`` is masked."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.seen = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        (sample,) = data_samples
        mask = torch.zeros(sample.batch_input_shape)
        mask[: sample.img_shape[0], : sample.img_shape[1]] = 1
        self.seen.append((sample, tuple(inputs.shape[2:]), mask.sum().item()))
        return self.conv(inputs * mask)


@pytest.mark.parametrize('size', [(16, 20), (24, 28)])
def test_a_detectors_sample_has_the_size_of_the_images_that_run(size):
    meta = dict(
        img_shape=(12, 20), batch_input_shape=(16, 20), img_path='a.png'
    )
    sample = BaseDataElement(metainfo=meta, labels=torch.ones(2))
    model = Masked()
    forward = forward_of(model, [meta], [sample], lambda x, positions: x)
    forward(torch.rand(1, 3, *size), [0])
    ((given, ran, inside),) = model.seen
    # its own padding stays masked; another size has none
    assert ran == given.batch_input_shape == size
    assert inside == (12 * 20 if size == (16, 20) else 24 * 28)
    assert given.img_path == 'a.png' and given.labels is sample.labels
    assert sample.batch_input_shape == (16, 20)
    assert sample.img_shape == (12, 20)
