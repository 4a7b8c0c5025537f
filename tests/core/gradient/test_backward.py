"""What a measurement's backward passes find out about a model."""

import pytest
import torch
from helpers.custom_backward import Doubled
from torch import nn

from mmerf.core.gradient import worth
from mmerf.core.gradient.backward import Gradients


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
