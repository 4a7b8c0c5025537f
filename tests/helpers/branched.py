"""A small network of blocks and arms, and how to take parts out by hand."""

import copy

import torch
from torch import nn


class Residual(nn.Module):
    """``x + f(x)``; the first operation of ``f`` writes to its input."""

    def __init__(self, width):
        super().__init__()
        self.f = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        return x + self.f(x.clone())


class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(self.conv(x)).sigmoid()


class Branched(nn.Module):
    """Stem, two residual blocks, a gate, arms that are concatenated."""

    def __init__(self, width=6, rates=(1, 2, 4)):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.gate = Gate(width)
        self.arms = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, 1, rate, rate, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for rate in rates
        )
        self.never = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(len(rates) * width, 4, 1)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = x * self.gate(x)
        return self.head(torch.cat([arm(x) for arm in self.arms], 1))


def branched(seed=0):
    """One with drawn batch norm statistics, in eval mode."""
    torch.manual_seed(seed)
    net = Branched().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return net


class Zeroed(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.clone()) * 0


def by_hand(net, name, way):
    """A copy of a network without a module."""
    made = copy.deepcopy(net)
    owner, _, last = name.rpartition('.')
    module = made.get_submodule(name)
    put = nn.Identity() if way == 'identity' else Zeroed(module)
    setattr(made.get_submodule(owner), last, put)
    return made
