"""Code of its own: custom gradients, in-place edits, compilers, hooks."""

import torch
from torch import nn

from ..block import Apply, Block, Kind


@torch.jit.script
def gated(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.7 * x)


class Scripted(nn.Module):
    """Compiled by torch.jit as a whole module."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))


def scripted(channels, size, draw):
    inner = torch.jit.script(Scripted(channels))
    return Apply(lambda m, x: m.inner(x), inner=inner)


def scripted_function(channels, size, draw):
    conv = nn.Conv2d(channels, 6, 3, padding=1)
    return Apply(lambda m, x: gated(m.conv(x)), conv=conv)


class Compiled(Block):
    """A part that runs under torch.compile, with the eager backend."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.inner = torch.compile(
            nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.GELU()),
            backend='eager',
            dynamic=True,
        )

    def forward(self, x):
        return self.inner(self.conv(x))


class Hooked(Block):
    """A forward hook of its own replaces a convolution's output."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.conv.register_forward_hook(lambda m, i, o: o * o.sigmoid())

    def forward(self, x):
        return self.conv(x)


def dropped(channels, size, draw):
    """Dropout and a depth that is random in training."""
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    drop = nn.Dropout(0.5)

    def run(m, x):
        if m.training and torch.rand(()) < 0.5:
            return x
        return x + m.drop(m.conv(x)).relu()

    return Apply(run, conv=conv, drop=drop)


def mapped(channels, size, draw):
    """torch.func.vmap over the images."""

    def run(m, x):
        return torch.func.vmap(lambda image: m.conv(image).relu())(x)

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def products(channels, size, draw):
    """einsum and an outer product of the channels."""

    def run(m, x):
        x = torch.einsum('nchw,dc->ndhw', x, m.weight)
        return torch.einsum('nahw,nbhw->nabhw', x, x).flatten(1, 2)

    return Apply(run, weight=nn.Parameter(torch.randn(3, channels)))


KINDS = [
    Kind('jit module', scripted),
    Kind('jit function', scripted_function),
    Kind('compiled', lambda c, s, d: Compiled(c)),
    Kind('forward hook', lambda c, s, d: Hooked(c)),
    Kind('dropout', dropped),
    Kind('vmap', mapped),
    Kind('products', products),
]
