"""Rankings: what is drawn are the numbers."""

import numpy as np
from helpers.figure_probe import apart, boxes, words

from mmerf.core.context.ranking import RankingResult
from mmerf.plots import plot_ranking, to_rgb

NAMES = ('Luo', 'my_package.attributions.AVeryLongNameOfOne', 'Occlusion',
         '$x$', 'SmoothGrad', 'E', 'F', 'G')  # fmt: skip


def result_of(count, images=4):
    rng = np.random.default_rng(0)
    rising = np.linspace(0, 1, 5)
    return RankingResult(
        'decode_head',
        NAMES[:count],
        tuple(rising.tolist()),
        np.sqrt(rising) * rng.uniform(1, 2, (count, images, 1)),
        rising * rng.uniform(0.8, 1, (images, 1)),
        tuple(f'image {i}' for i in range(images)),
        (4,) * images,
    )


def test_points_are_areas_in_their_order():
    result = result_of(3)
    fig, axes = plot_ranking(result)
    assert fig.get_figwidth() <= 3.5
    rows = result.ranked()
    points = [
        line for line in axes[1].get_lines() if len(line.get_xdata()) == 1
    ]
    shown = {
        float(line.get_ydata()[0]): float(line.get_xdata()[0])
        for line in points
        if line.get_marker() in ('o', 's', '^')
    }
    assert shown == {i: row['faithfulness'] for i, row in enumerate(rows)}
    names = [label.get_text() for label in axes[1].get_yticklabels()]
    assert names[0][:20] == rows[0]['name'][:20]
    random, *own = axes[0].get_lines()
    assert np.allclose(random.get_ydata(), result.random.mean(axis=0))
    for line, row in zip(own, rows, strict=True):
        index = result.names.index(row['name'])
        assert np.allclose(line.get_ydata(), result.own[index].mean(axis=0))


def test_many_and_few_attributions_are_legible():
    for count, images in ((1, 1), (3, 4), (8, 2)):
        fig, _ = plot_ranking(result_of(count, images))
        to_rgb(fig)
        assert apart(boxes(words(fig)))
