"""Connected components of a class's region."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mmerf.core.errors import ConfigError
from mmerf.core.grid.coordinates import even_grid
from mmerf.core.targets import ClassRegion, TargetContext
from mmerf.core.targets.segments import label_components, largest_component


def flood(mask):
    """Components by hand: neighbours that share an edge, in scan order."""
    found, todo = [], {tuple(place) for place in np.argwhere(mask).tolist()}
    while todo:
        stack, own = [min(todo)], set()
        while stack:
            y, x = stack.pop()
            if (y, x) in todo:
                todo.remove((y, x))
                own.add((y, x))
                stack += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        found.append(own)
    return found


@pytest.mark.parametrize('seed', range(5))
def test_the_largest_component_by_hand(seed):
    masks = np.random.default_rng(seed).random((3, 9, 11)) < 0.5
    found = largest_component(torch.from_numpy(masks)).numpy()
    for mask, own in zip(masks, found, strict=True):
        every = flood(mask)
        assert label_components(mask).max() == len(every)
        assert set(map(tuple, np.argwhere(own).tolist())) == max(
            every, key=len
        )


def test_an_empty_mask_has_none():
    assert not largest_component(torch.zeros(2, 3, 4, dtype=bool)).any()


@pytest.mark.parametrize('component', ['all', 'largest'])
def test_class_region_scores_the_component(component):
    """Against scipy: mean of the logit over it, aligned at its centroid."""
    draw = torch.Generator().manual_seed(3)
    output = torch.randn(2, 3, 8, 10, generator=draw)
    classes = torch.randint(0, 3, (2, 8, 10), generator=draw)
    context = TargetContext(
        'x', (8, 10), even_grid((8, 10), (8, 10)), predictions=classes,
        num_classes=3,
    )  # fmt: skip
    parts = ClassRegion(component=component).parts(output, context)
    assert [part.label for part in parts] == ['0', '1', '2']
    for index, part in enumerate(parts):
        for image in range(2):
            mask = (classes[image] == index).numpy()
            if component == 'largest':
                numbered, count = ndimage.label(mask)
                sizes = ndimage.sum(mask, numbered, range(1, count + 1))
                mask = numbered == 1 + int(np.argmax(sizes))
            expected = output[image, index].numpy()[mask].mean()
            assert float(part.scores[image]) == pytest.approx(
                expected, abs=1e-6
            )
            centre = np.argwhere(mask).mean(axis=0)
            assert part.pixels[image] == pytest.approx(tuple(centre))
    told = (
        'largest connected component'
        in ClassRegion(component=component).definition
    )
    assert told == (component == 'largest')


def test_other_components_are_refused():
    with pytest.raises(ConfigError, match="is 'all' or 'largest', not 'two'"):
        ClassRegion(component='two')
