"""Which layers are measured when none is named, and why."""

import pytest
import torch
from torch import nn

from mmerf import measure_erf
from mmerf.core.errors import LayerError
from mmerf.core.layers.defaults import default_layers


def conv():
    return nn.Conv2d(3, 3, 3, padding=1)


def model_of(children, module='my_models', **attributes):
    """A model that runs its children in turn, as a class of some package."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            for name, child in children.items():
                self.add_module(name, child)
            for name, value in attributes.items():
                setattr(self, name, value)

        def forward(self, x):
            for child in self.children():
                x = child(x)
            return x

    Model.__module__ = module
    return Model()


class Detect(nn.Module):
    def __init__(self, sources):
        super().__init__()
        self.f = sources


class Extracted:
    """What timm's feature extractors keep as ``feature_info``."""

    def module_name(self):
        return ['a', 'b']


class Encoder(nn.Module):
    def __init__(self, **lists):
        super().__init__()
        for name, modules in lists.items():
            self.add_module(name, nn.ModuleList(modules))


STAGES = [nn.ModuleList([conv(), conv()]), nn.ModuleList([conv()])]
CASES = {
    'backbone and head': (
        model_of({'backbone': conv(), 'decode_head': conv()}),
        ['backbone', 'decode_head'],
    ),
    'torchvision': (
        model_of({'backbone': conv(), 'classifier': conv()}),
        ['backbone', 'classifier'],
    ),
    'mmdet': (
        model_of({'backbone': conv(), 'neck': conv(), 'bbox_head': conv()}),
        ['backbone', 'neck'],
    ),
    'mmpretrain, a map': (
        model_of({'backbone': model_of({'layers': STAGES[0]},
                                       out_type='featmap'),
                  'neck': conv()}),
        ['backbone'],
    ),
    'mmpretrain, a class token': (
        model_of({'backbone': model_of({'layers': STAGES[0]},
                                       out_type='cls_token')}),
        ['backbone.layers.0', 'backbone.layers.1'],
    ),
    'mmpretrain, pooled': (
        model_of({'backbone': model_of({'stages': STAGES[0]},
                                       gap_before_final_norm=True)}),
        ['backbone.stages.0', 'backbone.stages.1'],
    ),
    'ultralytics': (
        model_of(
            {'model': nn.Sequential(conv(), conv(), conv(), Detect([0, -1]))}
        ),
        ['model.0', 'model.2'],
    ),
    'transformers, stages in lists': (
        model_of(
            {'segformer': model_of({'encoder': Encoder(block=STAGES)}),
             'decode_head': conv()},
            'transformers.models.segformer',
        ),
        ['segformer.encoder.block.0.1', 'segformer.encoder.block.1.0',
         'decode_head'],
    ),
    'transformers, not the neck': (
        model_of(
            {'neck': Encoder(layers=[conv(), conv()]),
             'dpt': model_of({'encoder': Encoder(layer=[conv(), conv()])})},
            'transformers.models.dpt',
        ),
        ['dpt.encoder.layer.0', 'dpt.encoder.layer.1'],
    ),
    'timm': (
        model_of(
            {'stem': conv(), 'body': conv(), 'head': conv()},
            feature_info=[{'module': 'stem'}, {'module': 'body'},
                          {'module': 'body'}],
        ),
        ['stem', 'body'],
    ),
    'timm, features only': (
        model_of({'a': conv(), 'b': conv()}, feature_info=Extracted()),
        ['.'],
    ),
    'encoder and decoder': (
        model_of({'encoder': conv(), 'decoder': conv(),
                  'segmentation_head': conv()}),
        ['encoder', 'decoder', 'segmentation_head'],
    ),
    'numbered': (
        model_of({'conv1': conv(), 'layer1': conv(), 'layer2': conv()}),
        ['layer1', 'layer2'],
    ),
    'in a list': (
        model_of({'stages': nn.Sequential(conv(), conv())}),
        ['stages.0', 'stages.1'],
    ),
    'a traced graph': (
        torch.fx.symbolic_trace(model_of({'one': conv(), 'two': conv()})),
        ['.'],
    ),
    'TorchScript': (
        torch.jit.trace(
            model_of({'layer1': conv(), 'layer2': conv()}),
            torch.rand(1, 3, 9, 9),
        ),
        ['.'],
    ),
    'its own choice': (
        model_of({'backbone': conv(), 'neck': conv()}, erf_layers=['neck']),
        ['neck'],
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', CASES)
def test_default_layers_of_every_kind(case):
    model, expected = CASES[case]
    found = default_layers(model)
    assert found.names == expected
    assert found.reason


def test_no_default_names_layers_and_the_own_output():
    with pytest.raises(LayerError, match=r'own output.*one'):
        default_layers(model_of({'one': conv(), 'two': conv()}))


def test_a_default_layer_without_a_feature_map_is_passed_over():
    class Classifier(nn.Module):
        feature_info = [{'module': 'features'}, {'module': 'head'}]

        def __init__(self):
            super().__init__()
            self.features, self.head = conv(), nn.Linear(3, 5)

        def forward(self, x):
            return self.head(self.features(x).mean((2, 3)))

    assert list(measure_erf(Classifier(), torch.rand(1, 3, 9, 9))) == [
        'features'
    ]
