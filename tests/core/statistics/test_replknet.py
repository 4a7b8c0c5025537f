import json
from pathlib import Path

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.core.statistics.replknet import replknet_side

DATA = Path(__file__).parents[2] / 'data' / 'published_erf'
PUBLISHED = json.loads((DATA / 'expected.json').read_text())


@pytest.mark.parametrize('scale', [1, 1e6])
@pytest.mark.parametrize('name', PUBLISHED)
def test_published_maps(name, scale):
    map_hw = np.load(DATA / f'{name}.npz')['map'] * scale
    expected = PUBLISHED[name][f'replknet_side_of_map_times_{scale:g}']
    found = ERFResult.from_map(map_hw).statistics()['replknet']
    for share, side in expected.items():
        if side is None:
            assert found[share] is None and share in found['note']
        else:
            assert found[share]['side'] == side
            ratio = found[share]['area_ratio']
            assert ratio == pytest.approx((side / 224) ** 2)


def slow_side(map_hw, share):
    """The published rule tried one square after another."""
    scaled = np.log10(map_hw + 1)
    scaled = scaled / scaled.max()
    h, w = map_hw.shape
    for reach in range(1, h // 2):
        if reach > w // 2:
            return None
        part = scaled[
            h // 2 - reach : h // 2 + reach + 1,
            w // 2 - reach : w // 2 + reach + 1,
        ]
        if part.sum() / scaled.sum() > share:
            return 2 * reach + 1
    return None


@pytest.mark.parametrize(
    'shape', [(32, 32), (33, 21), (20, 64), (64, 20), (3, 3), (1, 9), (9, 1)]
)
def test_any_shape_against_the_rule(shape):
    map_hw = np.random.default_rng(2).random(shape) ** 3 * 5
    for share in (0.05, 0.2, 0.3, 0.5, 0.99):
        assert replknet_side(map_hw, share) == slow_side(map_hw, share)


def test_where_the_rule_finds_nothing_a_note_gives_the_reason():
    uniform = ERFResult.from_map(np.ones((512, 1024))).statistics()
    assert uniform['replknet']['0.5'] is None
    assert 'side 3 to 511' in uniform['replknet']['note']
    assert uniform['centred_square']['0.5']['side'] == 513


def test_values_below_the_resolution_of_x_plus_one():
    assert replknet_side(np.full((9, 9), 1e-20), 0.2) is None
