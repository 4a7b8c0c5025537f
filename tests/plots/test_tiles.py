"""The figure of tiles: what is drawn are the numbers."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, words

from mmerf.core.tiling.grid import Tiling, tilings_of
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
def test_a_panel_per_window_and_a_line_per_stride(images):
    result = made([128, 64], images)
    fig, axes = plot_tiles(result)
    assert fig.get_figwidth() == 3.4 and len(axes) == 2
    mean, _ = result.by_distance()
    for ax, window in zip(axes, (64, 128), strict=True):
        assert ax.get_title(loc='left') == f'window {window} px'
        lines = [bars.lines[0] for bars in ax.containers]
        strides = [text.get_text() for text in ax.get_legend().get_texts()]
        assert strides == [str(window), str(3 * window // 4), f'{window // 2}']
        for line, stride in zip(lines, strides, strict=True):
            tiling = Tiling(window, int(stride))
            expected = mean[result.tilings.index(tiling)]
            np.testing.assert_allclose(line.get_ydata(), 100 * expected)
        assert len({line.get_color() for line in lines}) == 3
        assert ax.get_ylim()[0] == 0
    assert axes[0].get_ylim() == axes[1].get_ylim()
    text = ' '.join(text.get_text() for text in fig.texts)
    assert ('bars: standard error over images' in text) == (images > 1)


def test_no_point_lies_on_another():
    """Equal shares of two strides are seen side by side, in their bin."""
    result = made([64])
    differs = np.repeat(result.differs[:, 1:2], 3, axis=1)
    same = replace(result, differs=np.minimum(differs, result.pixels))
    fig, (ax,) = plot_tiles(same)
    to_rgb(fig)
    xs = [bars.lines[0].get_xdata() for bars in ax.containers]
    for bin_xs in np.array(xs).T:
        assert set(np.round(bin_xs)) == {np.round(bin_xs[0])}
        at = ax.transData.transform([(x, 0) for x in bin_xs])[:, 0]
        assert np.diff(np.sort(at)).min() > 3 * fig.dpi / 72  # a marker


def test_many_windows_stand_in_two_columns():
    fig, axes = plot_tiles(made([16, 32, 48, 64, 128]))
    assert fig.get_figwidth() == 7.0 and len(axes) == 5
    to_rgb(fig)
    assert len({round(ax.get_window_extent().x0) for ax in axes}) == 2
    assert apart(boxes(axes))


def test_bins_without_pixels_are_not_drawn():
    result = made([64])
    pixels = result.pixels.copy()
    pixels[..., 3:] = 0
    differs = np.minimum(result.differs, pixels)
    _, (ax,) = plot_tiles(replace(result, pixels=pixels, differs=differs))
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ticks == ['0', '8', '16', '32']


@pytest.mark.parametrize(
    ('windows', 'bins'), [([64], 3), ([64, 256, 512], 7), ([2048, 1024], 9)]
)
def test_what_is_written_is_apart(windows, bins):
    fig, axes = plot_tiles(made(windows, bins=bins), title='tiles of $x')
    to_rgb(fig)
    inside = [text for ax in axes for text in ax.get_legend().get_texts()]
    assert apart(boxes([*words(fig), *inside, *fig.texts]))
