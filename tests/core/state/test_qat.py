"""Quantisation-aware training goes on as if nothing had been measured."""

import pytest
import torch
from helpers.model_state import bits
from helpers.slow_reference import images_like
from torch import nn
from torch.ao.quantization import (
    DeQuantStub,
    QuantStub,
    get_default_qat_qconfig,
    prepare_qat,
)

from mmerf import measure_erf


def trained(backend, initial, measured):
    """State after three steps of training, validated after each."""
    torch.manual_seed(0)
    parts = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
    net = nn.Sequential(QuantStub(), *parts, DeQuantStub()).train()
    net.qconfig = get_default_qat_qconfig(backend)
    net = prepare_qat(net)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    if measured and initial:
        measure_erf(net, images_like(2, 16, 18), ['3'])
    for step in range(3):
        net(images_like(2, 16, 18) + step).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if measured:
            measure_erf(net, images_like(2, 16, 18), ['3'])
    return bits(dict(net.state_dict())), bits(optimizer.state_dict())


@pytest.mark.parametrize('initial', [False, True])
@pytest.mark.parametrize('backend', ['fbgemm', 'x86', 'qnnpack'])
def test_the_same_weights_and_observers(backend, initial):
    assert trained(backend, initial, True) == trained(backend, initial, False)
