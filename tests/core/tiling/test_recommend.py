"""Recommendations by numbers made by hand."""

import pytest

from mmerf.core.errors import ConfigError
from mmerf.core.tiling.grid import Tiling, tilings_of
from mmerf.core.tiling.recommend import (
    check_within,
    crop_and_field,
    recommend,
)

TILINGS = tilings_of([64, 128], overlaps=[0, 0.5])  # 64/64 64/32 128/128 ...


@pytest.mark.parametrize(
    ('shares', 'within', 'expected'),
    [
        ([0.05, 0.012, 0.02, 0.01], 0.01, (64, 32)),
        ([0.05, 0.012, 0.02, 0.01], 0.001, (128, 64)),
        ([0.05, 0.03, 0.015, 0.01], 0.01, (128, 128)),
        ([0.05, 0.03, 0.015, 0.01], 0.0, (128, 64)),
        ([0.05, 0.05, 0.05, 0.05], 0.0, (64, 64)),
        ([0.05, 0.06, 0.04, 0.045], 0.01, (64, 64)),
        ([0.01, 0.02, 0.0, 0.0], 0.01, (64, 64)),
    ],
)
def test_the_smallest_that_is_nearly_the_best(shares, within, expected):
    found = recommend(TILINGS, shares, within)
    assert found.tiling == Tiling(*expected)
    best = dict(zip(TILINGS, shares, strict=True))[found.best]
    assert best == min(shares)


def test_reasons():
    found = recommend(TILINGS, [0.05, 0.012, 0.02, 0.01])
    assert found.reasons == (
        '1.2 % of pixels change, within 1 percentage point(s) of the best '
        '(window 128, stride 64: 1.0 %)',
    )
    found = recommend(TILINGS, [0.0, 0.0, 0.0, 0.0])
    assert found.reasons == (
        'no other changes fewer pixels (0.0 %)',
        'no overlap helps by more than 1 percentage point(s)',
    )
    alone = recommend([Tiling(160, 160)], [0.126], field=361)
    assert alone.reasons == (
        'no other changes fewer pixels (12.6 %)',
        'even the best changes more than 1 % of pixels: predict whole images '
        'where memory allows',
    )


@pytest.mark.parametrize(
    ('field', 'expected'),
    [
        (362, 'no overlap helps: half of the field (181 px) is larger than '
         'the window (160 px)'),
        (320, 'no overlap helps by more than 1 percentage point(s)'),
        (None, 'no overlap helps by more than 1 percentage point(s)'),
    ],
)  # fmt: skip
def test_why_no_overlap_helps(field, expected):
    tilings = tilings_of([160])
    found = recommend(tilings, [0.13, 0.125, 0.124], field=field)
    assert found.tiling == Tiling(160, 160) and found.reasons[1] == expected
    found = recommend(tilings, [0.13, 0.125, 0.124], 0.01, field, True)
    assert found.reasons[1] == expected.replace('(181', '(≥ 181')


def test_crop_and_field():
    assert 'is smaller than the field (181 px)' in crop_and_field(
        (512, 128), 181
    )
    assert 'is at least as large as the field' in crop_and_field(
        (512, 256), 181
    )
    for size, said in (
        ((128, 128), 'is smaller than the field (≥ 181 px)'),
        ((181, 181), 'may be smaller than the field (≥ 181 px)'),
    ):
        assert said in crop_and_field(size, 181, field_is_bound=True)
    assert crop_and_field(None, 181) is crop_and_field((9, 9), None) is None
    with pytest.raises(ConfigError, match='one percentage point'):
        check_within(1.0)
