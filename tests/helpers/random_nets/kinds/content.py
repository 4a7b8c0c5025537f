"""Blocks whose wiring depends on the image's content."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind, nowhere


def global_maximum(channels, size, draw):
    """Every unit hears of the image's largest value."""
    return Apply(
        lambda m, x: m.mix(x) + x.amax((2, 3), keepdim=True),
        mix=nn.Conv2d(channels, channels, 1),
    )


def global_mean(channels, size, draw):
    return Apply(
        lambda m, x: m.mix(x - x.mean((2, 3), keepdim=True)).relu(),
        mix=nn.Conv2d(channels, channels, 1),
    )


def routed(channels, size, draw):
    """Top-k routing: only the most salient quarter is transformed."""
    share = draw.choice((4, 8))

    def run(m, x):
        tokens = x.flatten(2)
        saliency = m.score(x).flatten(2)
        chosen = saliency.topk(tokens.shape[2] // share, dim=2)
        index = chosen.indices.expand(-1, tokens.shape[1], -1)
        picked = m.expert(tokens.gather(2, index).transpose(1, 2))
        picked = picked.transpose(1, 2) * chosen.values.sigmoid()
        return (tokens.scatter_add(2, index, picked)).view_as(x)

    return Apply(
        run,
        score=nn.Conv2d(channels, 1, 3, padding=1),
        expert=nn.Linear(channels, channels),
    )


def gathered(channels, size, draw):
    """Every unit adds the most similar one of a few key units."""

    def run(m, x):
        tokens = x.flatten(2).transpose(1, 2)
        keys = tokens[:, ::17]
        best = (m.query(tokens) @ keys.transpose(1, 2)).argmax(2)
        index = best.unsqueeze(2).expand(-1, -1, x.shape[1])
        found = keys.gather(1, index)
        return (tokens + found).transpose(1, 2).view_as(x)

    return Apply(run, query=nn.Linear(channels, channels))


def sorted_units(channels, size, draw):
    """The image's largest values, added in order to its first units."""

    def run(m, x):
        tokens = x.flatten(2)
        best = tokens.sort(2, descending=True).values[..., :32]
        return m.mix(x + best.mean(2)[..., None, None])

    return Apply(run, mix=nn.Conv2d(channels, channels, 1))


def warped(channels, size, draw):
    """A warp by a predicted flow."""
    reach = draw.choice((0.02, 0.1))
    padding = draw.choice(('zeros', 'border', 'reflection'))

    def run(m, x):
        h, w = x.shape[2:]
        ys = torch.linspace(-1, 1, h).to(x)
        xs = torch.linspace(-1, 1, w).to(x)
        y, z = torch.meshgrid(ys, xs, indexing='ij')
        flow = m.flow(x).tanh().permute(0, 2, 3, 1) * reach
        return functional.grid_sample(
            x,
            torch.stack([z, y], -1) + flow,
            padding_mode=padding,
            align_corners=True,
        )

    return Apply(run, nowhere, flow=nn.Conv2d(channels, 2, 3, padding=1))


def mirrored_grid(channels, size, draw):
    """grid_sample by a fixed affine map that mirrors the image."""

    def run(m, x):
        theta = torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).to(x)
        grid = functional.affine_grid(
            theta.expand(len(x), 2, 3), list(x.shape), align_corners=False
        )
        return functional.grid_sample(x, grid, align_corners=False)

    return Apply(run, lambda c, s: c.flip(2))


def deformed(channels, size, draw):
    """Bilinear reads at predicted offsets of up to some units."""

    def run(m, x):
        h, w = x.shape[2:]
        y = torch.arange(h).to(x).view(h, 1)
        z = torch.arange(w).to(x).view(1, w)
        offset = 2 * m.offset(x).tanh()
        y, z = y + offset[:, 0], z + offset[:, 1]
        grid = torch.stack([2 * (z + 0.5) / w - 1, 2 * (y + 0.5) / h - 1], -1)
        return m.mix(functional.grid_sample(x, grid, align_corners=False))

    return Apply(
        run,
        nowhere,
        offset=nn.Conv2d(channels, 2, 3, padding=1),
        mix=nn.Conv2d(channels, 6, 1),
    )


def masked_fill(channels, size, draw):
    """Values below the image's own median are filled."""

    def run(m, x):
        x = m.mix(x)
        middle = x.detach().flatten(1).median(1).values
        return x.masked_fill_(x < middle.view(-1, 1, 1, 1), 0.1)

    return Apply(run, mix=nn.Conv2d(channels, channels, 1))


def filled_locally(channels, size, draw):
    """Negative values are filled, in place."""

    def run(m, x):
        x = m.mix(x)
        return x.masked_fill_(x < 0, -0.1)

    return Apply(
        run,
        inner_reads=('mix',),
        mix=nn.Conv2d(channels, channels, 3, padding=1),
    )


def dynamic_filter(channels, size, draw):
    """A depthwise kernel made from the image's mean."""

    def run(m, x):
        n, c, h, w = x.shape
        kernel = m.make(x.mean((2, 3))).view(n * c, 1, 3, 3)
        out = functional.conv2d(
            x.reshape(1, n * c, h, w), kernel, padding=1, groups=n * c
        )
        return x + out.view(n, c, h, w)

    return Apply(run, make=nn.Linear(channels, 9 * channels))


def experts(channels, size, draw):
    """Each unit goes to one of two experts, chosen by its own values."""

    def run(m, x):
        tokens = x.permute(0, 2, 3, 1)
        chosen = m.gate(tokens).argmax(-1)
        out = torch.zeros_like(tokens)
        for number, expert in enumerate(m.all):
            out[chosen == number] = expert(tokens[chosen == number])
        return (tokens + out).permute(0, 3, 1, 2)

    return Apply(
        run,
        gate=nn.Linear(channels, 2),
        all=nn.ModuleList([nn.Linear(channels, channels) for _ in range(2)]),
    )


def chosen_branch(channels, size, draw):
    """One of two branches, chosen for the image by its mean."""

    def run(m, x):
        bright = x.mean((1, 2, 3), keepdim=True) > m.limit
        return torch.where(bright, m.one(x), m.two(x))

    return Apply(
        run,
        one=nn.Conv2d(channels, 6, 3, padding=1),
        two=nn.Conv2d(channels, 6, 5, padding=2),
        limit=torch.tensor(draw.uniform(-0.02, 0.02)),
    )


def thresholded(channels, size, draw):
    """Above the image's own mean passes; the mean has no gradient."""

    def run(m, x):
        x = m.mix(x)
        mean = x.mean((2, 3), keepdim=True).detach()
        return torch.where(x > mean, x, 0.1 * x)

    return Apply(run, mix=nn.Conv2d(channels, 6, 3, padding=1))


def vector_quantised(channels, size, draw):
    """Nearest codes, with a straight-through gradient."""

    def run(m, x):
        tokens = x.permute(0, 2, 3, 1)
        apart = (tokens.unsqueeze(-2) - m.codes).pow(2).sum(-1)
        codes = m.codes[apart.argmin(-1)]
        tokens = tokens + 0.5 * (codes - tokens).detach()
        return tokens.permute(0, 3, 1, 2)

    return Apply(run, codes=torch.randn(5, channels))


KINDS = [
    Kind('global maximum', global_maximum),
    Kind('global mean', global_mean),
    Kind('top-k routing', routed),
    Kind('gather by content', gathered, most=6000),
    Kind('sorted values', sorted_units),
    Kind('warp by a flow', warped),
    Kind('mirror by grid_sample', mirrored_grid),
    Kind('deformed reads', deformed),
    Kind('masked_fill_ by the median', masked_fill),
    Kind('masked_fill_', filled_locally),
    Kind('dynamic filter', dynamic_filter),
    Kind('experts', experts),
    Kind('chosen branch', chosen_branch),
    Kind('above the mean', thresholded),
    Kind('vector quantisation', vector_quantised),
]
