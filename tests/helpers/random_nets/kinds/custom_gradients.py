"""Gradients of their own: custom functions, hooks, checkpoints."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..block import Apply, Kind


class Tutorial(torch.autograd.Function):
    """The ReLU of PyTorch's tutorial."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g = g.clone()
        g[x < 0] = 0
        return g


class EditsGradient(torch.autograd.Function):
    """Edits its gradient in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g[x < 0] = 0
        return g.mul_(0.5)


class WantsContiguous(torch.autograd.Function):
    """Relies on the usual layout, as compiled operators do."""

    @staticmethod
    def forward(ctx, x):
        assert x.is_contiguous(), 'input is not contiguous'
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        assert g.is_contiguous(), 'gradient is not contiguous'
        return g


class ReadsGradient(torch.autograd.Function):
    """Its gradient is divided by its own largest value."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g / (g.abs().amax() + 1e-12)


class Dirty(torch.autograd.Function):
    """Changes its input in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x > 0)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, g):
        (on,) = ctx.saved_tensors
        return g * on


class Smoothed(torch.autograd.Function):
    """Its gradient is averaged over 3 x 3 places."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return nn.functional.avg_pool2d(g, 3, 1, 1)


def custom(function, contiguous=False):
    """A convolution, then a custom function."""

    def make(channels, size, draw):
        def run(m, x):
            x = m.conv(x)
            return function.apply(x.contiguous() if contiguous else x)

        return Apply(
            run,
            inner_reads=('conv',),
            conv=nn.Conv2d(channels, 6, 3, padding=1),
        )

    return make


def checkpointed(reentrant):
    def make(channels, size, draw):
        inner = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU())
        return Apply(
            lambda m, x: checkpoint(m.inner, x, use_reentrant=reentrant),
            inner=inner,
        )

    return make


def tensor_hook(channels, size, draw):
    """A hook on a tensor changes the gradient."""

    def run(m, x):
        x = m.conv(x)
        if x.requires_grad:
            x.register_hook(lambda g: 2 * g.clamp(min=-0.5, max=0.5))
        return x

    return Apply(
        run,
        inner_reads=('conv',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
    )


def module_hook(channels, size, draw):
    """A backward hook on a convolution clips the gradient before a norm."""
    conv, norm = nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6)
    conv.register_full_backward_pre_hook(
        lambda module, gradient: (gradient[0].clamp(-0.3, 0.3),)
    )
    return Apply(lambda m, x: m.norm(m.conv(x)).relu(), conv=conv, norm=norm)


def reversed_gradient(channels, size, draw):
    """Detached in part: the value of one filter, the gradient of another."""

    def run(m, x):
        one, two = m.one(x), m.two(x)
        return two + (one - two).detach()

    return Apply(
        run,
        one=nn.Conv2d(channels, 6, 3, padding=1),
        two=nn.Conv2d(channels, 6, 3, padding=1),
    )


KINDS = [
    Kind('tutorial function', custom(Tutorial)),
    Kind('edits its gradient', custom(EditsGradient)),
    Kind('wants contiguous', custom(WantsContiguous, True)),
    Kind('reads its gradient', custom(ReadsGradient)),
    Kind('dirty function', custom(Dirty)),
    Kind('smoothed gradient', custom(Smoothed)),
    Kind('checkpoint', checkpointed(False)),
    Kind('reentrant checkpoint', checkpointed(True)),
    Kind('module hook', module_hook),
    Kind('tensor hook', tensor_hook),
    Kind('detached in part', reversed_gradient),
]
