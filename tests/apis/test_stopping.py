import pytest
from helpers.mmseg_configs import config_of
from hypothesis import given
from hypothesis import strategies as st

from mmerf.apis import run_erf
from mmerf.apis.stopping import ToleranceStop, spread_indices
from mmerf.core.errors import ConfigError
from mmerf.engine.selection import chosen_indices


@given(st.integers(1, 400), st.integers(1, 300))
def test_every_first_part_is_spread_over_the_set(length, number):
    found = spread_indices(length, number, 'even')
    assert sorted(found) == chosen_indices(length, number, 'even')
    if len(found) >= 4:
        first = found[:4]
        assert max(first) - min(first) >= length / 4
    assert spread_indices(length, number, 'first') == chosen_indices(
        length, number, 'first'
    )


@pytest.fixture
def cfg(tmp_path, tmp_path_factory):
    """A validation set of thirty images."""
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp('many')
    rng = np.random.default_rng(1)
    (root / 'img_dir/val').mkdir(parents=True)
    for i in range(30):
        image = rng.integers(0, 256, (32, 48, 3), np.uint8)
        Image.fromarray(image).save(root / f'img_dir/val/{i:02d}.png')
    return config_of(root, tmp_path)


def run(cfg, **options):
    return run_erf(
        cfg, layers=['backbone[1]'], num_images='auto', theory=False, **options
    )


def test_stops_when_the_sides_are_sure_and_says_so(cfg):
    loose = run(cfg, tolerance=0.9)
    result = loose.results['backbone[1]']
    assert result.num_images == 8
    assert 'tolerance 90 % reached' in loose.notes[-1]
    worst = max(
        result.uncertainty['side'][share]['relative']
        for share in ('0.5', '0.99')
    )
    assert f'{worst * 100:.2g} %' in loose.notes[-1]


def test_goes_to_the_maximum_where_it_must(cfg):
    strict = run(cfg, tolerance=1e-6, max_images=12)
    assert strict.results['backbone[1]'].num_images == 12
    assert 'not reached' in strict.notes[-1]
    every = run(cfg, tolerance=1e-6)
    assert every.results['backbone[1]'].num_images == 30


def test_a_tighter_tolerance_takes_more_images(cfg):
    counts = [
        run(cfg, tolerance=t).results['backbone[1]'].num_images
        for t in (0.5, 0.02, 0.0005)
    ]
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_settings_that_make_no_sense(cfg):
    with pytest.raises(ConfigError, match='tolerance'):
        run(cfg, tolerance=0)
    with pytest.raises(ConfigError, match='whole number'):
        ToleranceStop(0.1, 0)
    from mmerf.engine import ERFHook

    with pytest.raises(ConfigError, match='a validation loads'):
        ERFHook(num_images='auto')
