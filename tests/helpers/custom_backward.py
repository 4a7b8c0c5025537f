"""Modules with backward code of their own: ordinary autograd runs."""

import torch
from torch import nn


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Custom(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


class _Raw(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        n, c, h, w = gradient.shape
        steps = (c * h * w, h * w, w, 1)
        return gradient.as_strided((n, c, h, w), steps).clone()


class RawMemory(nn.Module):
    """Takes the memory of a gradient for one in the plain layout."""

    def forward(self, x):
        return _Raw.apply(x)
