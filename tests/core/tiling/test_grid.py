"""Tiles: where they lie, which windows and strides are taken."""

import pytest

from mmerf.core.errors import ConfigError
from mmerf.core.tiling.grid import Tiling, tile_spans, tilings_of


@pytest.mark.parametrize(
    ('length', 'window', 'stride', 'expected'),
    [
        (10, 4, 4, [(0, 4), (4, 8), (6, 10)]),
        (8, 4, 4, [(0, 4), (4, 8)]),
        (9, 4, 2, [(0, 4), (2, 6), (4, 8), (5, 9)]),
        (4, 4, 1, [(0, 4)]),
        (3, 4, 4, [(0, 3)]),
    ],
)
def test_spans(length, window, stride, expected):
    assert tile_spans(length, Tiling(window, stride)) == expected


def test_windows_with_overlaps_and_strides():
    assert tilings_of([64, 32]) == [
        Tiling(32, 32), Tiling(32, 24), Tiling(32, 16),
        Tiling(64, 64), Tiling(64, 48), Tiling(64, 32),
    ]  # fmt: skip
    assert tilings_of([64, 32, 32], [64, 16]) == [
        Tiling(32, 16), Tiling(64, 64), Tiling(64, 16),
    ]  # fmt: skip
    assert tilings_of([160], overlaps=[0.1, 0.7]) == [
        Tiling(160, 144), Tiling(160, 48),
    ]  # fmt: skip
    assert Tiling(64, 48).overlap == 16


@pytest.mark.parametrize(
    ('windows', 'strides', 'overlaps', 'message'),
    [
        ([64], [96], None, 'stride 96 is larger than window 64'),
        ([64, 128], [96, 192], None, 'stride 192 is larger than window 128'),
        ([64], [0], None, 'a stride is a whole number'),
        ([0], None, None, 'a window is a whole number'),
        ([64], None, [1.0], r'in \[0, 1\), not 1.0'),
        ([64], [32], [0.5], 'give one of them'),
        ([], None, None, 'at least one window'),
    ],
)
def test_what_no_tiling_can_be(windows, strides, overlaps, message):
    with pytest.raises(ConfigError, match=message):
        tilings_of(windows, strides, overlaps)
