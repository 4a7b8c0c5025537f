import numpy as np
from helpers.figure_probe import apart, boxes, gaussian, within, words

from mmerf import ERFResult
from mmerf.plots import normalize, plot_before_after, to_rgb


def result(sigma):
    return ERFResult.from_map(gaussian(40, 60, sigma, (20, 30)), (20, 30))


def test_models_across_before_above_after():
    pairs = {f'model {i}': (result(2 + i), result(5 + i)) for i in range(3)}
    fig, axes = plot_before_after(pairs, normalization='linear')
    assert axes.shape == (2, 3)
    assert [ax.get_title() for ax in axes[0]] == list(pairs)
    assert [ax.get_ylabel() for ax in axes[:, 0]] == [
        'before training', 'after training',
    ]  # fmt: skip
    for column, pair in zip(axes.T, pairs.values(), strict=True):
        for ax, one in zip(column, pair, strict=True):
            (image,) = ax.get_images()
            expected = normalize(one.map, 'linear')
            np.testing.assert_array_equal(image.get_array(), expected)
            assert image.get_clim() == (0, 1)
            assert ax.get_xlim() == axes[0, 0].get_xlim()
    to_rgb(fig)
    tops = [round(box.y1) for box in boxes(axes.ravel())]
    assert len(set(tops[:3])) == len(set(tops[3:])) == 1
    assert tops[0] > tops[3]


def test_many_models_fold_into_blocks_of_two_rows():
    pairs = {f'model {i}': (result(3), result(4)) for i in range(7)}
    fig, axes = plot_before_after(pairs, style='paper')
    to_rgb(fig)
    found = boxes(axes.ravel())
    assert len({round(box.y0) for box in found}) == 4
    assert apart(found) and all(within(box, fig.bbox) for box in found)
    assert apart(boxes(words(fig)))
