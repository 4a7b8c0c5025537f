"""The figure of tiles: what is drawn are the numbers."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, words

from mmerf.core.tiling.grid import tilings_of
from mmerf.core.tiling.result import TilingResult
from mmerf.plots import plot_tiles, to_rgb


def made(windows, images=3, bins=5):
    rng = np.random.default_rng(0)
    tilings = tuple(tilings_of(windows))
    pixels = np.full((images, len(tilings), bins), 100)
    pixels[:, 0, -1] = 0  # no pixel so far from a border
    return TilingResult(
        tilings,
        (0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)[: bins + 1],
        np.minimum(rng.integers(0, 60, pixels.shape), pixels),
        pixels,
        np.zeros((0, 0, 0)),
        np.ones((images, 1 + len(tilings))),  # seconds
        np.ones((images, 1 + len(tilings))),  # peak_bytes
        tuple('abcdef'[:images]),
        ((64, 64),) * images,
    )


@pytest.mark.parametrize('images', [1, 3])
def test_the_lines_are_the_shares(images):
    result = made([64, 128], images)
    fig, ax = plot_tiles(result)
    assert fig.get_figwidth() == 3.4
    mean, _ = result.by_distance()
    lines = [bars.lines[0] for bars in ax.containers]
    assert len(lines) == 6
    for line, expected in zip(lines, mean, strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * expected)
    assert len({(ln.get_color(), ln.get_linestyle()) for ln in lines}) == 6
    assert ax.get_ylim()[0] == 0


def test_bins_without_pixels_are_not_drawn():
    result = made([64])
    pixels = result.pixels.copy()
    pixels[..., 3:] = 0
    differs = np.minimum(result.differs, pixels)
    _, ax = plot_tiles(replace(result, pixels=pixels, differs=differs))
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ticks == ['0', '8', '16', '32']


@pytest.mark.parametrize(
    ('windows', 'bins'), [([64], 3), ([64, 256, 512], 7), ([2048, 1024], 9)]
)
def test_what_is_written_is_apart(windows, bins):
    fig, _ = plot_tiles(made(windows, bins=bins), title='tiles of $x')
    to_rgb(fig)
    assert apart(boxes(words(fig)))
