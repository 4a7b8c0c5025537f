import copy

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample
from torch import nn

from mmerf.core.errors import BatchError, ConfigError
from mmerf.engine.batches.prepare_batch import (
    prepare,
    prepare_tensor,
    unwrapped,
)


def batch(count=3):
    inputs = [
        torch.randint(0, 255, (3, 32, 48), dtype=torch.uint8)
        for _ in range(count)
    ]
    samples = [
        SegDataSample(
            metainfo=dict(
                img_path=f'{i}.png', img_shape=(32, 48), ori_shape=(32, 48)
            )
        )
        for i in range(count)
    ]
    return dict(inputs=inputs, data_samples=samples)


def test_as_many_data_samples_as_images(fcn):
    data = batch()
    del data['inputs'][1]
    with pytest.raises(BatchError, match=r'3 data_samples for 2 image\(s\)'):
        prepare(fcn, data)


def test_preprocesses_as_validation_does(fcn):
    data = batch()
    before = copy.deepcopy(data)
    found = prepare(fcn, data, only=[2, 0])
    own = fcn.data_preprocessor(copy.deepcopy(before), False)['inputs']
    assert torch.equal(found.inputs, own[[2, 0]])
    assert found.names == ['2.png', '0.png']
    assert [m['img_path'] for m in found.metas] == found.names
    for ours, theirs in zip(data['inputs'], before['inputs'], strict=True):
        assert torch.equal(ours, theirs)
    assert (
        data['data_samples'][0].metainfo == before['data_samples'][0].metainfo
    )


def test_forward_is_encode_decode_with_fitting_metas(fcn):
    found = prepare(fcn, batch())
    logits = found.forward(found.inputs[:2], [0, 1])
    assert logits.shape == (2, 2, 32, 48)
    resized = nn.functional.interpolate(found.inputs, (64, 64))
    assert found.forward(resized, range(3)).shape[2:] == (64, 64)
    assert found.metas[0]['img_shape'] == (32, 48)


def test_other_models_run_in_tensor_mode():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            self.calls = []

        def data_preprocessor(self, data, training):
            inputs = torch.stack(data['inputs']).float()
            return dict(inputs=inputs, data_samples=data['data_samples'])

        def forward(self, inputs, samples=None, mode='tensor'):
            self.calls.append(
                (mode, samples and [s.img_path for s in samples])
            )
            return self.conv(inputs)

    model = Other()
    found = prepare(model, batch())
    found.forward(found.inputs[1:], [1, 2])
    bare = prepare_tensor(model, torch.zeros(1, 3, 4, 4))
    bare.forward(bare.inputs, [0])
    assert model.calls == [('tensor', ['1.png', '2.png']), ('tensor', None)]


def test_wrappers_are_seen_through(fcn):
    from mmengine.model import BaseTTAModel, is_model_wrapper
    from torch.nn.parallel import DataParallel

    wrapped = DataParallel(fcn)
    assert is_model_wrapper(wrapped)
    assert unwrapped(wrapped) is fcn and unwrapped(fcn) is fcn
    assert not isinstance(fcn, BaseTTAModel)


@pytest.mark.parametrize('data', [None, [1], {'images': 1}, np.zeros(3)])
def test_batches_of_other_form(fcn, data):
    with pytest.raises(ConfigError, match='PackSegInputs'):
        prepare(fcn, data)


def test_plain_modules_have_their_own_way():
    with pytest.raises(ConfigError, match='measure_erf'):
        prepare(nn.Conv2d(3, 1, 1), batch())
