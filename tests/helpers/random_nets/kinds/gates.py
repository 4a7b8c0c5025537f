"""Scans, Fourier transforms and gates."""

import torch
from torch import nn
from torch.nn import functional

from ..block import Apply, Kind


def scan(channels, size, draw):
    """A decaying scan over all units, row by row."""
    decay = draw.choice((0.5, 0.9, 0.99))

    def run(m, x):
        tokens = m.mix(x).flatten(2)
        steps = torch.arange(tokens.shape[2]).to(x) % 512
        weights = torch.where(steps < 200, decay**steps, 0.0)
        count = len(steps)
        spectrum = torch.fft.rfft(tokens, 2 * count)
        kernel = torch.fft.rfft(weights, 2 * count)
        mixed = torch.fft.irfft(spectrum * kernel, 2 * count)[..., :count]
        return x + mixed.unflatten(2, x.shape[2:]) * (1 - decay)

    return Apply(run, mix=nn.Conv2d(channels, channels, 1))


def summed_rows(channels, size, draw):
    """A running mean down every column."""

    def run(m, x):
        counts = torch.arange(1, x.shape[2] + 1).to(x).view(1, 1, -1, 1)
        return x + m.mix(x).cumsum(2) / counts

    return Apply(run, mix=nn.Conv2d(channels, channels, 1))


def recurrent(channels, size, draw):
    """A GRU across every row."""
    gru = nn.GRU(channels, 6, batch_first=True)

    def run(m, x):
        n, c, h, w = x.shape
        lines = x.permute(0, 2, 3, 1).reshape(n * h, w, c)
        return m.gru(lines)[0].view(n, h, w, 6).permute(0, 3, 1, 2)

    return Apply(run, gru=gru)


def fourier(channels, size, draw):
    """A global filter that damps the high frequencies."""

    def run(m, x):
        h, w = x.shape[2:]
        spectrum = torch.fft.rfft2(x, norm='ortho')
        y = torch.fft.fftfreq(h).to(x).abs()[:, None]
        z = torch.fft.rfftfreq(w).to(x)
        spectrum = spectrum * torch.exp(-m.rate * (y + z))
        return torch.fft.irfft2(spectrum, (h, w), norm='ortho')

    rate = nn.Parameter(torch.tensor(draw.uniform(1.0, 8.0)))
    return Apply(run, rate=rate)


def fourier_convolution(channels, size, draw):
    """A 1 x 1 convolution of the spectrum, as in FFC and LaMa."""
    mix = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)

    def run(m, x):
        spectrum = torch.fft.rfft2(x, norm='ortho')
        parts = m.mix(torch.cat([spectrum.real, spectrum.imag], 1))
        real, imaginary = parts.relu().chunk(2, 1)
        spectrum = torch.complex(real, imaginary)
        return x + torch.fft.irfft2(spectrum, x.shape[2:], norm='ortho')

    return Apply(run, mix=mix)


def squeeze_excite(channels, size, draw):
    inner = nn.Sequential(
        nn.Conv2d(channels, 4, 1), nn.ReLU(), nn.Conv2d(4, channels, 1)
    )
    return Apply(
        lambda m, x: x * m.inner(x.mean((2, 3), keepdim=True)).sigmoid(),
        inner=inner,
    )


def local_gate(channels, size, draw):
    inner = nn.Conv2d(channels, 12, 3, padding=1)
    return Apply(lambda m, x: functional.glu(m.inner(x), 1), inner=inner)


def spatial_gate(channels, size, draw):
    """Attention over places, from the channels' mean and maximum."""
    inner = nn.Conv2d(2, 1, 7, padding=3)

    def run(m, x):
        seen = torch.cat([x.mean(1, True), x.amax(1, True)], 1)
        return x * m.inner(seen).sigmoid()

    return Apply(run, inner=inner)


def coordinate_gate(channels, size, draw):
    """Coordinate attention: gates from the means of rows and columns."""

    def run(m, x):
        rows = m.down(x.mean(3, keepdim=True)).sigmoid()
        return x * rows * m.across(x.mean(2, keepdim=True)).sigmoid()

    return Apply(
        run,
        down=nn.Conv2d(channels, channels, 1),
        across=nn.Conv2d(channels, channels, 1),
    )


KINDS = [
    Kind('scan', scan),
    Kind('running mean of columns', summed_rows),
    Kind('recurrent rows', recurrent, most=6000),
    Kind('fourier filter', fourier),
    Kind('fourier convolution', fourier_convolution),
    Kind('squeeze and excite', squeeze_excite),
    Kind('local gate', local_gate, filler=True),
    Kind('spatial gate', spatial_gate),
    Kind('coordinate gate', coordinate_gate),
]
