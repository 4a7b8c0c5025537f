"""Norms of all sorts, those by statistics of the whole image included.

Left out: an instance norm with running statistics in eval mode. torch 2.13
puts its gradient at other places where the gradient that it is given is
permuted, as that of a LayerNorm over channels is.
"""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind
from ..chain import Chain


def batch_norm(channels, size, draw):
    return Chain(nn.BatchNorm2d(channels), nn.ReLU())


def batch_statistics(channels, size, draw):
    """A batch norm without running statistics: those of the batch."""
    return Apply(
        lambda m, x: m.norm(x),
        norm=nn.BatchNorm2d(channels, track_running_stats=False),
    )


def norm_and_skip(channels, size, draw):
    """What a batch norm follows is used beside it as well."""

    def run(m, x):
        x = m.conv(x)
        return m.norm(x).relu() + x

    return Apply(
        run,
        inner_reads=('conv', 'norm'),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        norm=nn.BatchNorm2d(6),
    )


def tied_weights(channels, size, draw):
    """A batch norm follows a convolution whose weights serve elsewhere."""

    def run(m, x):
        y = m.norm(m.conv(x)).relu()
        return functional.conv2d(y, m.conv.weight.transpose(0, 1), padding=1)

    return Apply(
        run,
        inner_reads=('norm',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        norm=nn.BatchNorm2d(6),
    )


def layer_norm(channels, size, draw):
    def run(m, x):
        return m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    return Apply(run, norm=nn.LayerNorm(channels))


def circular_layer_norm(channels, size, draw):
    """LayerNorm over channels-first values after circular padding."""

    def run(m, x):
        x = m.conv(x)
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / (spread + 1e-6).sqrt()
        return m.weight[:, None, None] * x + m.bias[:, None, None]

    return Apply(
        run,
        conv=nn.Conv2d(channels, 6, 3, padding=1, padding_mode='circular'),
        weight=nn.Parameter(torch.rand(6) + 0.5),
        bias=nn.Parameter(torch.randn(6)),
    )


def group_norm(channels, size, draw):
    groups = draw.choice((1, channels))
    return Chain(nn.GroupNorm(groups, channels), nn.ReLU())


def instance_norm(channels, size, draw):
    return Chain(nn.InstanceNorm2d(channels, affine=draw.random() < 0.5))


def rms_norm(channels, size, draw):
    def run(m, x):
        return m.weight * x / (x.pow(2).mean(1, keepdim=True) + 1e-6).sqrt()

    return Apply(run, weight=nn.Parameter(torch.rand(channels, 1, 1) + 0.5))


def global_response(channels, size, draw):
    """GRN, as in ConvNeXt V2."""

    def run(m, x):
        size = x.pow(2).sum((2, 3), keepdim=True).add(1e-9).sqrt()
        share = size / (size.mean(1, keepdim=True) + 1e-6)
        return m.gamma * (x * share) + x

    return Apply(run, gamma=nn.Parameter(torch.randn(channels, 1, 1)))


def local_response(channels, size, draw):
    return Chain(nn.LocalResponseNorm(3, alpha=1.0))


def standardised(channels, size, draw):
    """A convolution whose weights are standardised in the forward."""

    def run(m, x):
        weight = m.conv.weight
        mean = weight.mean((1, 2, 3), keepdim=True)
        spread = weight.std((1, 2, 3), keepdim=True)
        weight = (weight - mean) / (spread + 1e-5)
        return functional.conv2d(x, weight, m.conv.bias, 1, 1)

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def unit_length(channels, size, draw):
    return Apply(lambda m, x: functional.normalize(x + 0.1, dim=1))


def over_maximum(detached):
    def make(channels, size, draw):
        def run(m, x):
            most = x.abs().amax((1, 2, 3), keepdim=True) + 1e-6
            return x / (most.detach() if detached else most)

        return Apply(run)

    return make


def min_max(channels, size, draw):
    def run(m, x):
        low = x.amin((1, 2, 3), keepdim=True)
        high = x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low + 1e-6)

    return Apply(run)


def quantised(channels, size, draw):
    """Dynamic quantisation with a straight-through gradient."""

    def run(m, x):
        step = x.detach().abs().amax((1, 2, 3), keepdim=True) / 127 + 1e-9
        return x + ((x / step).round() * step - x).detach()

    return Apply(run)


def softmax_over_places(channels, size, draw):
    def run(m, x):
        shares = x.flatten(2).softmax(2).unflatten(2, x.shape[2:])
        return x + shares * (x.shape[2] * x.shape[3])

    return Apply(run)


KINDS = [
    Kind('batch norm', batch_norm, filler=True),
    Kind('batch statistics', batch_statistics),
    Kind('norm and skip', norm_and_skip),
    Kind('tied weights', tied_weights),
    Kind('layer norm', layer_norm, filler=True),
    Kind('circular, layer norm', circular_layer_norm),
    Kind('group norm', group_norm),
    Kind('instance norm', instance_norm),
    Kind('rms norm', rms_norm),
    Kind('global response norm', global_response),
    Kind('local response norm', local_response),
    Kind('weight standardisation', standardised),
    Kind('unit length', unit_length),
    Kind('over its maximum', over_maximum(False)),
    Kind('over its maximum, detached', over_maximum(True)),
    Kind('min-max', min_max),
    Kind('dynamic quantisation', quantised),
    Kind('softmax over places', softmax_over_places),
]
