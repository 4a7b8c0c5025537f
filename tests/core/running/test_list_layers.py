import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.running.list_layers import list_layers


def run(model):
    meta = dict(img_shape=(64, 64), pad_shape=(64, 64), ori_shape=(64, 64))
    return lambda x, positions=(): model.encode_decode(x, [meta] * len(x))


def test_everything_listed_can_be_measured(segformer):
    images = torch.randn(1, 3, 64, 64)
    rows = list_layers(segformer, images, run(segformer))
    measurable = [row.key for row in rows if row.shape]
    assert len(measurable) > 80
    results = measure_erf(
        segformer, images, measurable, forward=run(segformer)
    )
    for row in rows:
        if row.shape:
            assert results[row.key].grid == row.shape[1:]
            assert results[row.key].stride == row.stride


def test_default_set_pattern_and_no_gradient(fcn):
    images = torch.randn(1, 3, 64, 64)
    grads = []
    fcn.decode_head.conv_seg.register_forward_hook(
        lambda m, i, o: grads.append(o.requires_grad)
    )
    rows = list_layers(fcn, images, run(fcn))
    assert [row.key for row in rows if row.default] == [
        *(f'backbone[{i}]' for i in range(4)),
        'decode_head',
    ]
    assert grads == [False]
    only = list_layers(fcn, images, run(fcn), 'backbone.layer1.*')
    assert [row.key for row in only] == [
        'backbone.layer1.0',
        'backbone.layer1.1',
    ]
    first = only[0]
    assert first.kind == 'BasicBlock' and first.stride == (4, 4)
    assert first.shape == (8, 16, 16) and first.form == '(1, 8, 16, 16)'


def test_plain_module():
    rows = list_layers(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 3, 8, 4))
    assert [row.key for row in rows] == ['.', '0']
    assert rows[1].kind == 'Linear' and not rows[1].default
