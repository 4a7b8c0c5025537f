"""A small network with VMamba's selective scan in plain torch.

The scan (Gu and Dao 2023, arXiv:2312.00752, equations 1 to 4) runs along
rows and columns, forwards and backwards, as in VMamba (arXiv:2401.10166).
Without a kernel of its own it is one small operation after another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STATES = 1  # of a channel, as VMamba's later versions have it
RANK = 4  # of the projection that gives a channel's step
DIRECTIONS = 4


def selective_scan(
    x: Tensor, step: Tensor, decay: Tensor, write: Tensor, read: Tensor
) -> Tensor:
    """h_t = exp(step_t decay) h_(t-1) + step_t write_t x_t; y_t = read_t h_t.

    Args:
        x, step (Tensor): (N, C, T).
        decay (Tensor): (C, S), negative.
        write, read (Tensor): (N, C, S, T), or with a C of 1.

    Returns:
        Tensor: (N, C, T).
    """
    keep = torch.exp(step[:, :, None] * decay[:, :, None])
    add = (step * x)[:, :, None] * write
    state = torch.zeros_like(add[..., 0])
    outputs = []
    for t in range(x.shape[2]):
        state = keep[..., t] * state + add[..., t]
        outputs.append((state * read[..., t]).sum(2))
    return torch.stack(outputs, 2)


class CrossScan(nn.Module):
    """A residual block that scans (N, C, h, w) in four directions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.local = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.select = nn.Conv1d(
            DIRECTIONS * width,
            DIRECTIONS * (RANK + 2 * STATES),
            1,
            groups=DIRECTIONS,
        )
        self.step = nn.Conv1d(
            DIRECTIONS * RANK, DIRECTIONS * width, 1, groups=DIRECTIONS
        )
        self.decay = nn.Parameter(torch.zeros(DIRECTIONS * width, STATES))
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, C, h, w) to the same."""
        inner = functional.silu(self.local(self.norm(x)))
        n, c, h, w = inner.shape
        rows = inner.flatten(2)
        columns = inner.transpose(2, 3).flatten(2)
        paths = torch.cat([rows, columns, rows.flip(2), columns.flip(2)], 1)
        chosen = self.select(paths).unflatten(1, (DIRECTIONS, -1))
        step, write, read = chosen.split([RANK, STATES, STATES], 2)
        step = functional.softplus(self.step(step.flatten(1, 2)))
        scanned = selective_scan(
            paths,
            step,
            -torch.exp(self.decay),
            write.repeat_interleave(c, 1),
            read.repeat_interleave(c, 1),
        )
        rows, columns, back, up = scanned.chunk(DIRECTIONS, 1)
        across = (rows + back.flip(2)).view(n, c, h, w)
        down = (columns + up.flip(2)).view(n, c, w, h).transpose(2, 3)
        return x + self.mix(across + down)


def scanning_network() -> nn.Module:
    """Patches of 4 x 4, then two stages of two blocks."""
    return nn.Sequential(
        nn.Conv2d(3, 24, 4, stride=4),
        nn.Sequential(CrossScan(24), CrossScan(24)),
        nn.Conv2d(24, 48, 2, stride=2),
        nn.Sequential(CrossScan(48), CrossScan(48)),
    )
