"""Chains and branches along one axis, and their fields by autograd."""

from fractions import Fraction

import torch
from torch import nn

CANVAS = 6000  # px, wider than any field here
UNITS = 6  # that are compared, from the middle one


def stride_of(chain):
    """Pixels from one unit to the next."""
    found = Fraction(1)
    for kind, *numbers in chain:
        if kind in ('conv', 'max', 'mean'):
            found *= numbers[1]
        elif kind in ('nearest', 'bilinear'):
            found /= numbers[0]
    return found


class Chain(nn.Module):
    """Steps down the rows: ``('conv', kernel, stride, dilation)`` and so on.

    With ``positive``, one channel, weights of one, and means in place of
    maxima: every pixel that can move a unit has a positive derivative.
    """

    def __init__(self, chain, channels, positive=False):
        super().__init__()
        self.positive = positive
        before, steps = 1 if positive else 3, []
        for kind, *numbers in chain:
            if kind in ('sum', 'cat'):
                pairs = numbers[:2], numbers[2:]
                convs = [
                    self._conv(before, channels, k, 1, d) for k, d in pairs
                ]
                steps.append(Branches(kind, *convs))
                before = channels * (2 if kind == 'cat' else 1)
            elif kind == 'conv':
                steps.append(self._conv(before, channels, *numbers))
                before = channels
            elif kind in ('max', 'mean'):
                side, stride = numbers
                pool = kind == 'max' and not positive
                pool = nn.MaxPool2d if pool else nn.AvgPool2d
                steps.append(pool((side, 1), (stride, 1), (side // 2, 0)))
            else:
                steps.append(nn.Upsample(scale_factor=(numbers[0], 1),
                                         mode=kind))  # fmt: skip
        self.steps = nn.Sequential(*steps)

    def _conv(self, before, channels, kernel, stride, dilation):
        padding = (kernel - 1) * dilation // 2
        conv = nn.Conv2d(
            before, channels, (kernel, 1), (stride, 1), (padding, 0),
            (dilation, 1), bias=not self.positive,
        )  # fmt: skip
        if not self.positive:
            return conv
        nn.init.ones_(conv.weight)
        return conv

    def forward(self, x):
        return self.steps(x)


class Branches(nn.Module):
    def __init__(self, kind, one, other):
        super().__init__()
        self.kind, self.one, self.other = kind, one, other

    def forward(self, x):
        parts = self.one(x), self.other(x)
        return sum(parts) if self.kind == 'sum' else torch.cat(parts, 1)


def fields_by_autograd(chain, length):
    """First and last pixel of the middle unit and those that follow it."""
    net = Chain(chain, channels=1, positive=True).double()
    image = torch.ones(1, 1, length, 1, dtype=torch.float64)
    image.requires_grad_()
    out = net(image).sum((0, 1, 3))
    fields = []
    for unit in range(len(out) // 2, min(len(out), len(out) // 2 + UNITS)):
        (gradient,) = torch.autograd.grad(out[unit], image, retain_graph=True)
        moved = gradient.flatten().nonzero().flatten()
        fields.append((int(moved[0]), int(moved[-1])))
    return fields
