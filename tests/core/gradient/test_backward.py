"""What a measurement's backward passes find out about a model."""

import pytest
import torch
from helpers.custom_backward import Doubled
from torch import nn

from mmerf.core.gradient import backward, worth
from mmerf.core.gradient.backward import Gradients


@pytest.fixture
def ways(monkeypatch):
    """Whether each backward pass, in turn, skips zeros."""
    found = []
    own = backward.SparseBackward.__init__

    def skipping(self):
        own(self)
        found[-1] = True

    monkeypatch.setattr(backward.SparseBackward, '__init__', skipping)
    run = Gradients.of

    def of(*args, **kwargs):
        found.append(False)
        return run(*args, **kwargs)

    monkeypatch.setattr(Gradients, 'of', of)
    return found


def test_a_layer_whose_field_is_the_image_is_run_plainly_from_then_on(ways):
    """So are deeper ones, and no shallower one."""
    conv = lambda: nn.Conv2d(4, 4, 3, padding=1)  # noqa: E731
    shallow = nn.Sequential(conv(), nn.ReLU(), conv())
    deep = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(), nn.ReLU())
    torch.manual_seed(0)
    gradients = Gradients()
    for expected in ([True, True, False], [False, True, False]):
        image = torch.rand(1, 4, 32, 32, requires_grad=True)
        start = shallow(image)
        middle = start * deep(start)
        outputs = {'deep': middle, 'shallow': start, 'deeper': middle.exp()}
        del ways[:]
        for key, output in outputs.items():
            score = output[:, :, 16, 16].sum(1)
            found = gradients.of(key, score, image, True)
            (wanted,) = torch.autograd.grad(score, image, retain_graph=True)
            torch.testing.assert_close(found, wanted)
        assert ways == expected
        assert gradients.fallbacks.keys() == {'deep', 'deeper'}


def test_what_was_searched_in_vain_is_the_most_that_was(ways):
    """The next layer is tried for what it adds to the deepest of them."""
    conv = nn.Conv2d(4, 4, 1).requires_grad_(False)
    image = torch.rand(1, 4, 32, 32, requires_grad=True)
    x, gradients = image, Gradients()
    for key, count in (('1', 1), ('3', 2), ('4', 1)):
        for _ in range(count):
            x = conv(x)
            x = x + x.mean((2, 3), keepdim=True)
        gradients.of(key, x[:, :, 16, 16].sum(1), image, True)
    assert ways == [True, True, False]


@pytest.mark.usefixtures('as_few')
def test_backward_code_is_looked_for_at_every_size(monkeypatch):
    """Also where another reason says already that ordinary autograd runs.

    Once it was met, it stays the reason.
    """
    monkeypatch.setattr(worth, 'LARGE_SHARE', 2.0)
    conv, gradients = nn.Conv2d(3, 4, 3), Gradients()
    seen = False
    for size, own in ((8, False), (12, True), (8, False), (16, False)):
        leaf = torch.rand(1, 3, size, size, requires_grad=True)
        out = conv(Doubled.apply(leaf) if own else leaf)
        found = gradients.of('layer', out.sum((1, 2, 3)), leaf, False)
        (wanted,) = torch.autograd.grad(
            conv(2 * leaf if own else leaf).sum(), leaf
        )
        torch.testing.assert_close(found, wanted)
        seen |= own
        why = gradients.fallbacks['layer']
        assert (worth.OWN_BACKWARD in why) == seen
