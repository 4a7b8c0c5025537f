"""The matrix of classes as a figure."""

import numpy as np
import pytest

from mmerf.core.results.class_context import ClassContext
from mmerf.plots import plot_by_class, to_rgb


def context(names, rows, unlabelled=0.0):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(len(names)), len(rows))
    shares = np.c_[shares * (1 - unlabelled), np.full(len(rows), unlabelled)]
    split, ones = rng.dirichlet(np.ones(3), len(rows)), np.ones(len(rows))
    counts = (1,) * len(rows)
    return ClassContext(
        'decode_head', rows, (*names, 'unlabelled'), 'label', shares,
        shares * 0, split, split * 0, ones, ones, counts, counts, counts,
    )  # fmt: skip


def heads(ax):
    return [text.get_text() for text in ax.get_xticklabels()]


def test_few_classes_have_their_numbers():
    names = ('sky', 'road', 'c$a$r')
    made = context(names, names[:2])
    fig, axes = plot_by_class(made)
    assert fig.get_figwidth() == pytest.approx(3.4)
    found = [text.get_text() for text in axes[0].texts]
    assert found == [f'{100 * v:.0f}' for v in made.shares[:, :3].ravel()]
    assert heads(axes[0]) == list(names)  # nothing is unlabelled
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ['sky', 'road']
    assert [text.get_text() for text in axes[1].texts] == [
        f'{100 * v:.0f}' for v in made.split[:, :2].ravel()
    ]
    assert len(fig.axes) == 2  # no colour bar


@pytest.mark.parametrize('count', [1, 4, 19])
def test_nothing_is_cut_off_or_overlaps(count):
    names = tuple(f'a long class name {i}' for i in range(count))
    fig, axes = plot_by_class(context(names, names, 0.1))
    assert heads(axes[0])[-1] == 'unlabelled'
    height, width = to_rgb(fig).shape[:2]
    texts = [
        text.get_window_extent()
        for ax in axes
        for text in (*ax.get_xticklabels(), *ax.get_yticklabels())
    ]
    title = fig._suptitle.get_window_extent()
    for box in (*texts, title):
        assert box.x0 >= 0 and box.x1 <= width
        assert box.y0 >= 0 and box.y1 <= height
    assert not any(title.overlaps(box) for box in texts)


def test_many_classes_have_a_colour_bar_and_no_numbers():
    names = tuple(f'class {i}' for i in range(60))
    fig, axes = plot_by_class(context(names, names[:40]), title='mine')
    assert not axes[0].texts and len(fig.axes) == 3
    assert fig.get_figwidth() > 3.4 and fig._suptitle.get_text() == 'mine'
