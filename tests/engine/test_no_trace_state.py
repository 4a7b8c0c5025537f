"""Parts of a training that hold state of their own: all of it is as it was.

Each in a real training, against the same training without the hook.
"""

import random

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN
from helpers.model_state import differing
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS, VISBACKENDS
from mmengine.visualization import LocalVisBackend
from mmseg.models import ResNetV1c, SegDataPreProcessor
from mmseg.registry import MODELS, TRANSFORMS
from torch import nn
from torch.nn import functional
from torch.utils.data import BatchSampler

WITNESS = dict(type='Witness')
COUNTED = []  # what parts saw in one training, after each of their calls


class Counting(SegDataPreProcessor):
    """Counts, and adds noise of a generator and a buffer of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls, self.generator = 0, torch.Generator().manual_seed(1)
        self.register_buffer('level', torch.zeros(1))

    def forward(self, data, training=False):
        data = super().forward(data, training)
        self.calls += 1
        self.level += 0.01
        noise = torch.rand(1, generator=self.generator).item()
        data['inputs'] = data['inputs'] + noise + self.level
        COUNTED.append((training, self.calls, noise))
        return data


class OwnGenerator(DefaultSampler):
    """Shuffles with a generator of its own."""

    def __init__(self, dataset, **kwargs):
        super().__init__(dataset, shuffle=False)
        self.generator = torch.Generator().manual_seed(2)

    def __iter__(self):
        order = torch.randperm(len(self.dataset), generator=self.generator)
        COUNTED.append(order.tolist())
        return iter(order.tolist())


class OwnBatches(BatchSampler):
    """Batches of one and two in turn, in an order of its own."""

    def __init__(self, sampler, batch_size, drop_last=False):
        super().__init__(sampler, batch_size, drop_last)
        self.random = random.Random(3)

    def __len__(self):
        return 3

    def __iter__(self):
        order = list(self.sampler)
        self.random.shuffle(order)
        COUNTED.append(order)
        return iter([order[:2], order[2:3], order[3:]])


class OwnNoise(BaseTransform):
    """Brightens by a number of its own generator."""

    def __init__(self):
        self.rng = np.random.default_rng(4)
        self.last = []

    def transform(self, results):
        number = float(self.rng.random())
        self.last.append(number)
        results['img'] = results['img'] + number
        return results


class Drawing(LocalVisBackend):
    """Draws random numbers with its pictures."""

    def add_image(self, *args, **kwargs):
        random.random(), np.random.rand(), torch.rand(1)
        super().add_image(*args, **kwargs)


class MovingWeights(ResNetV1c):
    """Keeps a mean of its weights as parameters, in every forward."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mean = nn.Parameter(torch.zeros(8), requires_grad=False)

    def forward(self, x):
        self.mean.data.mul_(0.9).add_(self.layer1[0].bn1.weight, alpha=0.1)
        self.layer1[0].bn1.bias.data.add_(0.01)
        return super().forward(x)


class Unseen(ResNetV1c):
    """Writes buffers in ways that count no version, also in eval mode."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.register_buffer('running', torch.zeros(3))
        self.register_buffer('spread', torch.ones(3))
        self.register_buffer('seen', torch.zeros(1))

    def forward(self, x):
        x = functional.batch_norm(x, self.running, self.spread, training=True)
        self.seen.numpy()[0] += 1
        return super().forward(x + 0.01 * self.seen)


class Building(ResNetV1c):
    """Registers buffers, hooks and parameters in its first forward."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.register_buffer('table', None)
        self.parts, self.ready = [], False

    def forward(self, x):
        if not self.ready:
            self.table = torch.rand(3, 1, 1)
            self.layer1.register_forward_hook(self._collect)
            self.ready = True
        self.parts.clear()
        out = super().forward(x + self.table)
        assert len(self.parts) == 1, 'one hook, called once'
        return out

    def _collect(self, module, inputs, output):
        self.parts.append(output)


REGISTERED = (
    (MODELS, Counting), (MODELS, MovingWeights), (MODELS, Unseen),
    (MODELS, Building), (DATA_SAMPLERS, OwnGenerator),
    (DATA_SAMPLERS, OwnBatches), (TRANSFORMS, OwnNoise),
    (VISBACKENDS, Drawing),
)  # fmt: skip


def _backbone(kind):
    backbone = dict(FCN['backbone'], type=kind)
    return dict(model=dict(FCN, backbone=backbone))


def _loader(**changes):
    def change(cfg):
        cfg.val_dataloader.update(changes)
        return cfg

    return change


def _noise(cfg):
    for name in ('train_dataloader', 'val_dataloader'):
        cfg[name].dataset.pipeline.insert(2, dict(type='OwnNoise'))
    return cfg


def _as_it_is(cfg):
    return cfg


CASES = {  # what is changed in the config, and how its loaders are changed
    'preprocessor': (
        dict(
            model=dict(
                FCN,
                data_preprocessor=dict(
                    FCN['data_preprocessor'], type='Counting'
                ),
            )
        ),
        _as_it_is,
    ),
    'sampler': (dict(), _loader(sampler=dict(type='OwnGenerator'))),
    'batch sampler': (
        dict(),
        _loader(batch_sampler=dict(type='OwnBatches')),
    ),
    'transform': (dict(), _noise),
    'vis backend': (
        dict(backends=[dict(type='Drawing')]), _as_it_is,
    ),
    'parameters that move': (_backbone('MovingWeights'), _as_it_is),
    'buffers without a version': (_backbone('Unseen'), _as_it_is),
    'built in the first forward': (_backbone('Building'), _as_it_is),
}  # fmt: skip


@pytest.fixture
def registered(monkeypatch):
    for registry, kind in REGISTERED:
        monkeypatch.setitem(registry.module_dict, kind.__name__, kind)
    COUNTED.clear()
    yield
    COUNTED.clear()


@pytest.mark.parametrize('initial', [False, True])
@pytest.mark.parametrize('case', CASES)
def test_a_part_with_state_of_its_own(case, initial, train, registered):
    changes, change = CASES[case]
    changes = dict(dict(backends=[dict(type='LocalVisBackend')]), **changes)
    erf = dict(type='ERFHook', num_images=3, initial=initial, on_error='raise')
    ours = train([WITNESS, erf], changes, set(), change)
    seen = in_training()
    COUNTED.clear()
    theirs = train([WITNESS], changes, set(), change)
    assert differing(ours, theirs) == []
    # In training, the preprocessor counts as if it were alone.
    assert seen == [
        one for one in COUNTED if isinstance(one, tuple) and one[0]
    ]


def in_training():
    """What the preprocessor saw of the training's own batches."""
    return [one for one in COUNTED if isinstance(one, tuple) and one[0]]
