import itertools

import pytest
from helpers.figure_probe import apart, boxes, gaussian, within, words

from mmerf import ERFResult
from mmerf.plots import plot_layers, to_rgb
from mmerf.plots.questions import plot_questions

CLASSES = [
    'road', 'sidewalk', 'building', 'vegetation', 'traffic light', 'person',
    'car', 'bicycle',
]  # fmt: skip


def maps(names, height, width):
    center = (height // 2, width // 2)
    return {
        name: ERFResult.from_map(gaussian(height, width, 20, center), center)
        for name in names
    }


LAYERS = [f'backbone.layers.{i}.1.attn.attn.out_proj' for i in range(7)]
HEADS = [f'decode_head:{name}' for name in CLASSES]


@pytest.mark.parametrize('names', [LAYERS, LAYERS[:5], LAYERS[:2], HEADS])
@pytest.mark.parametrize('shape', [(512, 512), (256, 512), (256, 1024)])
@pytest.mark.parametrize('plot', [plot_layers, plot_questions])
def test_words_do_not_lie_on_each_other(names, shape, plot):
    fig, axes = plot(maps(names, *shape))
    to_rgb(fig)
    found = boxes(words(fig))
    assert apart(found)
    assert all(within(box, fig.bbox) for box in found)
    panels = boxes(axes)
    assert not any(box.overlaps(panel) for box in found for panel in panels)
    for ax, name in zip(axes, names, strict=True):
        lines = ax.get_title().split('\n')
        for line, following in itertools.pairwise(lines):
            assert line[-1] in '.:_' or f'{line} {following}' in name


def test_names_are_no_formulas():
    name = r'cost $\nothing$'
    for plot in (plot_layers, plot_questions):
        fig, axes = plot(maps([name], 40, 40))
        to_rgb(fig)
        assert axes[0].get_title() == name
