"""Images, and networks whose field is known, for units on changed copies."""

import torch
from torch import nn


def images_of(count, size=(24, 28), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, *size, generator=generator)


def chain(depth, channels=4):
    """3 x 3 convolutions: the field is 2 * depth + 1 px."""
    torch.manual_seed(1)
    layers = []
    for i in range(depth):
        layers += [nn.Conv2d(3 if i == 0 else channels, channels, 3, 1, 1)]
        layers += [nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers[:-1]).eval()
