"""Networks of several inputs, and their maps by plain autograd."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Fusion(nn.Module):
    """Two encoders, fused."""

    def __init__(self):
        super().__init__()
        self.rgb = nn.Conv2d(3, 4, 5, 2, 2)
        self.depth = nn.Conv2d(1, 4, 9, 2, 4)
        self.head = nn.Conv2d(8, 4, 3, 1, 1)

    def forward(self, rgb, depth):
        both = torch.cat([self.rgb(rgb), self.depth(depth)], 1)
        return self.head(functional.relu(both))


class Siamese(nn.Module):
    """Two dates through one encoder."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1)
        )
        self.head = nn.Conv2d(6, 4, 3, 1, 1)

    def forward(self, before, after):
        change = self.encoder(before) - self.encoder(after)
        return self.head(change.abs())


class Matching(nn.Module):
    """Two views, joined by their correlation volume and cross attention."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 4, 4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Conv2d(17, 4, 3, 1, 1)

    def forward(self, left, right):
        left, right = self.encoder(left), self.encoder(right)
        padded = functional.pad(right, (1, 1, 1, 1))
        height, width = left.shape[-2:]
        volume = [
            (left * padded[..., y : y + height, x : x + width]).mean(1)
            for y in range(3)
            for x in range(3)
        ]
        tokens = [view.flatten(2).transpose(1, 2) for view in (left, right)]
        seen, _ = self.attention(tokens[0], tokens[1], tokens[1])
        seen = seen.transpose(1, 2).unflatten(2, (height, width))
        return self.head(torch.cat([torch.stack(volume, 1), seen], 1))


def seeded(net, dtype=torch.float64):
    torch.manual_seed(1)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net.to(dtype).eval()


def drawn(channels, count=5, height=24, width=20):
    """Inputs of very different scales, in float64."""
    generator = torch.Generator().manual_seed(3)
    return [
        40.0**i * torch.randn(
            count, c, height, width, generator=generator, dtype=torch.float64
        )
        for i, c in enumerate(channels)
    ]  # fmt: skip


def gradients(run, inputs, unit=None, relu=True):
    leaves = [x.clone().requires_grad_() for x in inputs]
    output = run(*leaves)
    y, x = unit or (output.shape[2] // 2, output.shape[3] // 2)
    score = output[:, :, y, x]
    score = (score.relu() if relu else score).sum()
    return torch.autograd.grad(score, leaves)


def expected_maps(run, inputs, **options):
    found = gradients(run, inputs, **options)
    return [g.relu().sum(1).mean(0).numpy() for g in found]


def close(result, expected, tolerance=1e-12):
    assert expected.max() > 0
    difference = np.abs(result.map - expected).max()
    assert difference <= tolerance * expected.max()


NETS = {
    'rgb and depth': (Fusion, {'rgb': 3, 'depth': 1}),
    'two dates': (Siamese, {'before': 3, 'after': 3}),
    'two views': (Matching, {'left': 3, 'right': 3}),
}
