"""What of TorchScript can be measured, and what the error says of the rest."""

import numpy as np
import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.layers.names import find_layers

IMAGES = torch.rand(2, 3, 12, 13, generator=torch.manual_seed(0))
MAKE = {
    'script': torch.jit.script,
    'trace': lambda module: torch.jit.trace(module, IMAGES),
}
pytestmark = pytest.mark.filterwarnings('ignore:.*torch.jit')


def backbone():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3)
    )


class Model(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.backbone = inner
        torch.manual_seed(2)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, images):
        return self.head(self.backbone(images))


@pytest.mark.parametrize('make', MAKE.values(), ids=MAKE)
def test_a_torchscript_module_is_measured_as_the_eager_one_is(make):
    names = ['backbone', 'head']
    found = measure_erf(Model(make(backbone())), IMAGES, names)
    expected = measure_erf(Model(backbone()), IMAGES, names)
    whole = measure_erf(nn.Sequential(make(Model(backbone()))), IMAGES, '0')
    assert expected['backbone'].map.any()
    for name, result in (*found.items(), ('head', whole['0'])):
        np.testing.assert_allclose(
            result.map, expected[name].map, atol=1e-6, rtol=1e-5
        )


@pytest.mark.parametrize('make', MAKE.values(), ids=MAKE)
@pytest.mark.parametrize('name', ['backbone.0', 'backbone.*'])
def test_a_layer_inside_it_is_an_error_that_says_so(make, name):
    with pytest.raises(LayerError) as caught:
        find_layers(Model(make(backbone())), [name])
    text = str(caught.value)
    assert "'backbone.0' is inside the TorchScript module 'backbone'" in text
    assert 'give the eager module' in text and '\n' not in text


@pytest.mark.parametrize('make', MAKE.values(), ids=MAKE)
@pytest.mark.parametrize('layers', [['backbone'], ['backbone.2']])
def test_so_is_every_layer_of_a_model_that_is_torchscript(make, layers):
    with pytest.raises(LayerError, match='inside a TorchScript model') as c:
        find_layers(make(Model(backbone())), layers)
    assert "name '.', what the model itself returns" in str(c.value)
    assert '\n' not in str(c.value)


@pytest.mark.parametrize('make', MAKE.values(), ids=MAKE)
def test_its_own_output_is_what_is_measured_by_default(make):
    (layer,) = find_layers(make(Model(backbone())), None)
    assert layer.key == '.'
    found = measure_erf(make(Model(backbone())), IMAGES)['.']
    expected = measure_erf(Model(backbone()), IMAGES, ['.'])['.']
    np.testing.assert_allclose(found.map, expected.map, atol=1e-6, rtol=1e-5)


def test_a_glob_leaves_out_what_cannot_be_read():
    model = Model(torch.jit.script(backbone()))
    found = measure_erf(model, IMAGES, ['**'])
    assert list(found) == ['backbone', 'head']
