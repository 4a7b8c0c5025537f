"""Context curves: what is drawn are the numbers."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.figure_probe import apart, boxes, words

from mmerf.core.context.result import ContextResult
from mmerf.plots import plot_context, to_rgb

SIDES = (5, 9, 11, 17, 23, 33, 45, 65, 91, 129)


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    falling = np.linspace(1, 0, 10) * rng.uniform(0.5, 1, (6, 1))
    return ContextResult(
        layer='backbone[3]',
        sides=SIDES,
        keep_change=3 * falling,
        keep_flips=falling,
        replace_change=3 - 3 * falling,
        replace_flips=1 - falling,
        mass=np.linspace(0.01, 1, 128),
        erf_sides={
            '0.5': {'side': 23, 'stderr': 1.0},
            '0.99': {'side': 105, 'stderr': None},
        },
        images=tuple('abcdef'),
        units=(9,) * 6,
    )


def test_the_lines_are_the_curves(result):
    fig, axes = plot_context(result)
    assert fig.get_figwidth() <= 3.5
    assert axes[0].get_title() == 'backbone[3]'
    for ax, name, scale in zip(
        axes, ('flips', 'change'), (100, 1), strict=True
    ):
        lines = [
            line for line in ax.get_lines() if len(line.get_xdata()) == 10
        ]
        for way, line in zip(('keep', 'replace'), lines, strict=True):
            mean, _ = result.curve(f'{way}_{name}')
            assert np.allclose(line.get_ydata(), scale * mean)
            assert line.get_xdata().tolist() == list(SIDES)
    mass = next(
        line for line in axes[0].get_lines() if line.get_linestyle() == '--'
    )
    x, y = mass.get_data()
    assert x[0] == 5 and x[-1] == 129
    assert np.allclose(y, 100 * result.mass[(x - 1) // 2])


def sides_at(half, most):
    sides = {'0.5': half, '0.99': most}
    return {k: {'side': v, 'stderr': None} for k, v in sides.items()}


def test_what_is_written_is_apart(result):
    for shown in (
        result,
        replace(result, layer='$x_1$ [bold]', erf_sides=None),
        replace(result, mass=np.zeros(0)),
        replace(result, erf_sides=sides_at(23, 27)),
        replace(result, erf_sides=sides_at(23, 23)),
        replace(result, erf_sides=sides_at(23, 57)),
        replace(result, erf_sides=sides_at(5, 129)),
        replace(
            result, sides=(65, 129, 181, 241, 289, 321, *range(401, 409, 2))
        ),
        replace(result, sides=tuple(range(101, 121, 2))),
    ):
        fig, axes = plot_context(shown)
        to_rgb(fig)
        written = words(fig)
        assert apart(boxes([*written, *axes[0].texts]))
        assert {text.get_text() for text in written} >= {
            'side of the square about the unit (px)',
            'only the square is kept',
        }


def test_one_image_has_no_bars(result):
    one = replace(
        result,
        images=('a',),
        units=(9,),
        **{
            name: getattr(result, name)[:1]
            for name in (
                'keep_change',
                'keep_flips',
                'replace_change',
                'replace_flips',
            )
        },
    )
    fig, axes = plot_context(one, title='one')
    assert axes[0].get_title() == 'one'
    assert not axes[0].collections and to_rgb(fig).any()
    assert plot_context(result)[1][0].collections


def test_words_and_bars_are_explained(result):
    fig, axes = plot_context(result)
    to_rgb(fig)
    labels = [ax.get_ylabel().replace('\n', ' ') for ax in axes]
    assert labels == [
        'units whose class changes (%)',
        'change of the logit (standard deviations)',
    ]
    (note,) = fig.texts
    assert note.get_text() == 'bars: standard error over images'
    assert apart(boxes([*words(fig), note]))
    one = replace(
        result,
        **{
            f'{way}_{name}': getattr(result, f'{way}_{name}')[:1]
            for way in ('keep', 'replace')
            for name in ('change', 'flips')
        },
    )
    assert not plot_context(one)[0].texts
