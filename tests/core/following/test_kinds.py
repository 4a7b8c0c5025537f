"""Operations that were met before are answered as their rules would."""

import random

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import SEGFORMER, build
from helpers.random_nets.block import Unfit
from helpers.random_nets.draw import draw_net
from torch import nn

from mmerf.core.following.kinds import NORMS_ROUND, kind_of
from mmerf.core.following.tracer import GridTracer
from mmerf.core.running.intercept import HandedToPython


class Comparing(GridTracer):
    """Asks the rule each time, and compares."""

    met = 0

    def _earlier(self, *args):
        key, self.noted = super()._earlier(*args)
        return key, None

    def _looked_up(self, *args):
        found = super()._looked_up(*args)
        if self.noted is not None:
            assert found == self.noted
            self.met += 1
        return found


def compared(net, images):
    with torch.no_grad(), Comparing(images) as tracer:
        net(images.clone())
        net(images)
    return tracer.met


def test_operations_of_random_nets():
    met = 0
    for seed in random.Random(0).sample(range(10_000), 40):
        try:
            net = draw_net(seed)
        except Unfit:
            continue
        met += compared(net.net().float(), net.images())
    assert met > 300


def test_operations_of_a_transformer():
    assert compared(build(SEGFORMER).backbone, torch.rand(1, 3, 64, 64)) > 100


def test_kernels_that_differ_in_their_size_alone():
    """Both give 8 units of 16, half a pixel apart."""
    image = torch.rand(1, 1, 16, 16)
    kernels = [nn.Conv2d(1, 1, k, 2, padding=1) for k in (3, 4)]
    with GridTracer(image) as tracer:
        first, second = (
            tracer.read(kernel(image), 1)[1].pixel((4, 4))
            for kernel in kernels
        )
    assert first == (8, 8) and second == (8.5, 8.5)


def test_a_grid_that_was_met_before_is_the_latest_of_its_size():
    image = torch.rand(1, 1, 16, 16)
    one, other = (nn.Conv2d(1, 1, k, 2, padding=1) for k in (3, 4))
    with GridTracer(image) as tracer:
        for kernel, pixel in ((one, 8), (other, 8.5), (one, 8)):
            kernel(image)
            assert tracer.places.grid((8, 8)).pixel((4, 4)) == (pixel, pixel)


@pytest.mark.parametrize(
    ('tells', 'run'),
    [
        (True, lambda x: (x > 1).nonzero().shape[0]),
        (True, lambda x: x[x > 1].shape[0]),
        (True, lambda x: x.masked_select(x > 1).numel()),
        (True, lambda x: bool(x.mean() > 0)),
        (True, lambda x: torch.equal(x, x.mean())),
        (True, lambda x: x[0, 0, 0].detach().tolist()),
        (True, lambda x: np.asarray(x.detach())),
        (True, lambda x: x.detach().numpy()),
        (True, lambda x: np.from_dlpack(x.detach())),
        (False, lambda x: x[:, :, torch.eye(6).bool()]),
        (False, lambda x: x[torch.ones(()).nonzero().shape[0] - 1]),
        (False, lambda x: x * float(torch.ones(3).sum())),
        (False, lambda x: torch.where(x > 1, x, 0)),
    ],
)
def test_values_of_the_image_that_are_handed_to_python_are_noticed(tells, run):
    image = torch.rand(1, 3, 6, 6).requires_grad_()
    with GridTracer(image) as tracer, HandedToPython(tracer.notice_values):
        run(image)
    assert (tracer.noticed.values_decide is not None) is tells


@pytest.mark.parametrize(
    ('plain', 'norm'),
    [
        (True, nn.GroupNorm(1, 3)),
        (True, nn.BatchNorm2d(3, track_running_stats=False)),
        (True, nn.BatchNorm2d(3)),
        (True, nn.InstanceNorm2d(3)),
        (False, nn.BatchNorm2d(3).eval()),
        (False, nn.LayerNorm(7)),
    ],
)
def test_norms_over_places_keep_the_plain_layout(plain, norm):
    image = torch.rand(2, 3, 8, 7)
    with GridTracer(image) as tracer:
        norm(image)
    assert (tracer.noticed.keeps_plain == NORMS_ROUND) is plain


def test_each_operation_has_one_kind():
    relu = torch.ops.aten.relu_.default
    assert kind_of(relu) is kind_of(relu)
    kind = kind_of(relu)
    assert kind.writes and kind.rule is not None and not kind.noticed
    assert kind_of(torch.ops.aten.amax.default).extreme
    assert kind_of(torch.ops.aten.max_pool2d_with_indices.default).noticed
    assert kind_of(torch.ops.aten.convolution.default).convolution
    assert kind_of(torch.ops.aten.addmm.default).product
