"""In-place edits, views, and tensors read by their strides."""

import torch
from torch import nn

from ..block import Apply, Kind, nowhere


def in_place(channels, size, draw):
    """Edits what the convolution has returned."""

    def run(m, x):
        y = m.conv(x)
        y.add_(0.1).clamp_(min=-0.2)
        y *= 1.5
        return y

    return Apply(
        run,
        inner_reads=('conv',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
    )


def edits_its_input(channels, size, draw):
    """A copy of what came before is edited in place, then mixed."""

    def run(m, x):
        x = m.before(x)
        y = m.conv(x)
        x.mul_(0.5)
        return y + m.conv(x)

    return Apply(
        run,
        before=nn.Sequential(nn.Conv2d(channels, 6, 1), nn.Identity()),
        conv=nn.Sequential(nn.Identity(), Doubled()),
    )


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def index_assignment(channels, size, draw):
    """Every second row is replaced by another filter's."""

    def run(m, x):
        out = torch.empty_like(m.one(x))
        out[:, :, ::2] = m.one(x)[:, :, ::2]
        out[:, :, 1::2] = m.two(x)[:, :, 1::2]
        return out

    return Apply(
        run,
        one=nn.Conv2d(channels, 6, 3, padding=1),
        two=nn.Conv2d(channels, 6, 3, padding=1),
    )


def border_assignment(channels, size, draw):
    """The image's border is overwritten with zeros."""

    def run(m, x):
        x = m.conv(x)
        x[:, :, :2] = 0
        x[:, :, :, -2:] = 0
        return x

    return Apply(
        run,
        inner_reads=('conv',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
    )


def boolean_assignment(channels, size, draw):
    def run(m, x):
        x = m.conv(x)
        x[x > 0.5] = 0.5
        return x

    return Apply(
        run,
        inner_reads=('conv',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
    )


def viewed(channels, size, draw):
    """Images are put beside each other by ``view``, and back."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        x = x.view(n * c, h * w)
        return m.out(x.view(n, c, h, w))

    return Apply(
        run,
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        out=nn.Conv2d(6, 6, 3, padding=1),
    )


def strides_read(channels, size, draw):
    """Every unit beside its right neighbour, by as_strided."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        wide = nn.functional.pad(x, (0, 1)).contiguous()
        s = wide.stride()
        pairs = wide.as_strided((n, c, h, w, 2), (*s, s[3]))
        return pairs.mean(-1)

    return Apply(run, nowhere, conv=nn.Conv2d(channels, 6, 3, padding=1))


def careless_strides(channels, size, draw):
    """as_strided that takes the usual layout for granted."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        return x.as_strided((n, c, h, w), (c * h * w, h * w, w, 1)) * 1.5

    return Apply(
        run,
        inner_reads=('conv',),
        conv=nn.Conv2d(channels, 6, 3, padding=1),
    )


def counted(channels, size, draw):
    """Counts its calls in a buffer, and reads no count."""

    def run(m, x):
        m.calls.add_(1)
        return m.conv(x).relu_()

    return Apply(
        run,
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        calls=torch.zeros(()),
    )


KINDS = [
    Kind('in-place edits', in_place),
    Kind('edits its input', edits_its_input),
    Kind('index assignment', index_assignment),
    Kind('border assignment', border_assignment),
    Kind('boolean assignment', boolean_assignment),
    Kind('view', viewed),
    Kind('as_strided', strides_read),
    Kind('careless as_strided', careless_strides),
    Kind('counts its calls', counted),
]
