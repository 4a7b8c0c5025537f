"""Attention global and windowed, scans, Fourier transforms and gates."""

from torch import nn
from torch.nn import functional

from ..block import Apply, Block, Kind

MOST = 1200  # units that a global attention may stand on


def attend(q, k, v):
    """Softmax attention of (..., L, C)."""
    weights = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
    return weights.softmax(-1) @ v


def global_attention(channels, size, draw):
    linear, norm = nn.Linear(channels, 3 * channels), nn.LayerNorm(channels)

    def run(m, x):
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = m.linear(m.norm(tokens)).chunk(3, -1)
        tokens = tokens + attend(4 * q, 4 * k, v)
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])

    return Apply(run, linear=linear, norm=norm)


def fused_attention(channels, size, draw):
    """torch's own scaled_dot_product_attention."""
    linear = nn.Linear(channels, 3 * channels)

    def run(m, x):
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = m.linear(tokens).unsqueeze(1).chunk(3, -1)
        tokens = (
            tokens + functional.scaled_dot_product_attention(q, k, v)[:, 0]
        )
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])

    return Apply(run, linear=linear)


def reduced_attention(channels, size, draw):
    """Keys and values from a strided convolution, as in SegFormer."""
    reduce = nn.Conv2d(channels, channels, 4, 4)
    q, kv = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)

    def run(m, x):
        tokens = x.flatten(2).transpose(1, 2)
        few = m.reduce(x).flatten(2).transpose(1, 2)
        k, v = m.kv(few).chunk(2, -1)
        tokens = tokens + attend(3 * m.q(tokens), k, v)
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])

    return Apply(run, reduce=reduce, q=q, kv=kv)


def linear_attention(channels, size, draw):
    linear = nn.Linear(channels, 3 * channels)

    def run(m, x):
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = m.linear(tokens).chunk(3, -1)
        mixed = q.softmax(-1) @ (k.softmax(1).transpose(1, 2) @ v)
        return x + mixed.transpose(1, 2).unflatten(2, x.shape[2:])

    return Apply(run, linear=linear)


def axial_attention(channels, size, draw):
    linear = nn.Linear(channels, 3 * channels)

    def run(m, x):
        for _ in range(2):  # down the columns, then across the rows
            lines = x.permute(0, 3, 2, 1)
            q, k, v = m.linear(lines).chunk(3, -1)
            x = (lines + attend(q, k, v)).permute(0, 3, 1, 2)
        return x

    return Apply(run, linear=linear)


class WindowedAttention(Block):
    """Attention in windows of a padded grid, shifted or not.

    Args:
        channels, side, shift (int): The grid is rolled by ``shift``.
        named (bool): Whether the side is an attribute ``window_size``.
    """

    def __init__(self, channels, side, shift, named):
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.shift = shift
        if named:
            self.window_size = side
        else:
            self.side = side

    def forward(self, x):
        side = getattr(self, 'window_size', None) or self.side
        n, c, h, w = x.shape
        y = functional.pad(x, (0, -w % side, 0, -h % side))
        y = y.permute(0, 2, 3, 1)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        rows, columns = y.shape[1] // side, y.shape[2] // side
        y = y.reshape(n, rows, side, columns, side, c).transpose(2, 3)
        q, k, v = self.qkv(y.flatten(3, 4)).chunk(3, -1)
        y = attend(3 * q, k, v).reshape(n, rows, columns, side, side, c)
        y = y.transpose(2, 3).reshape(n, rows * side, columns * side, c)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        return x + y.permute(0, 3, 1, 2)[:, :, :h, :w]


def windowed(shifted, named):
    def make(channels, size, draw):
        side = draw.choice((4, 5, 7, 8))
        return WindowedAttention(
            channels, side, side // 2 if shifted else 0, named
        )

    return make


def neighbourhood(channels, size, draw):
    """Attention to the 5 x 5 units about each unit."""
    mix = nn.Conv2d(channels, 3 * channels, 1)

    def run(m, x):
        n, c, h, w = x.shape
        q, k, v = m.mix(x).chunk(3, 1)
        k = functional.unfold(k, 5, padding=2).view(n, c, 25, h, w)
        v = functional.unfold(v, 5, padding=2).view(n, c, 25, h, w)
        weights = (q.unsqueeze(2) * k).sum(1, keepdim=True).softmax(2)
        return x + (weights * v).sum(2)

    return Apply(run, mix=mix)


KINDS = [
    Kind('attention', global_attention, most=MOST),
    Kind('fused attention', fused_attention, most=MOST),
    Kind('reduced attention', reduced_attention, most=6000),
    Kind('linear attention', linear_attention),
    Kind('axial attention', axial_attention, most=6000),
    Kind('windowed attention', windowed(False, True)),
    Kind('windowed attention, no name', windowed(False, False)),
    Kind('shifted windows', windowed(True, True)),
    Kind('shifted windows, no name', windowed(True, False)),
    Kind('neighbourhood attention', neighbourhood, most=10000),
]
