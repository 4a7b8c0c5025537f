"""Strips that are run before a window is chosen."""

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.windows import unit_places


class Net(nn.Module):
    """Attention over everything, or along an axis of its own."""

    def __init__(self, dims):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)
        self.dims = dims

    def forward(self, x):
        x = self.first(x)
        for dim in self.dims:
            x = x + x.softmax(dim) * x.mean(dim, keepdim=True)
        return self.last(x)


@pytest.mark.parametrize(
    ('dims', 'strips', 'way'),
    [
        ((2, 3), 1, 'the units may depend on nearly every row'),
        ((2,), 1, 'the units may depend on nearly every row'),
        ((3,), 2, 'window'),
        ((), 2, 'window'),
    ],
)
def test_no_second_strip_where_all_rows_count(monkeypatch, dims, strips, way):
    run, own = [], unit_places.reaches

    def reaches(*args):
        run.append(args[3])
        return own(*args)

    monkeypatch.setattr(unit_places, 'reaches', reaches)
    images = torch.rand(12, 3, 400, 400)
    found = measure_erf(Net(dims), images, ['last'])['last']
    assert len(run) == strips
    assert way in found.provenance['run_on']
