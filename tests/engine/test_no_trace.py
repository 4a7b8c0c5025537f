"""A training with the hook is, bit for bit, the training without it.

Seven kinds of training in eight runs: any two of them meet in every
combination (the orthogonal array L8).
"""

import itertools
import random

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, SEGFORMER, config_of
from helpers.model_state import differing, of_model, of_process
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS, TRANSFORMS
from torch.utils.data import DataLoader

from mmerf.core.targets import TARGETS, CentreUnit
from mmerf.engine.hooks import erf_hook, publisher

ERF = dict(type='ERFHook', num_images=3, initial=True)
WITNESS = dict(type='Witness')
FACTORS = ('epochs', 'ema', 'amp', 'accumulate', 'checkpoint', 'droppath',
           'workers')  # fmt: skip
ROWS = [
    (a, b, c, a ^ b, a ^ c, b ^ c, a ^ b ^ c)
    for a, b, c in itertools.product((0, 1), repeat=3)
]


def test_any_two_kinds_of_training_meet_in_every_combination():
    for one, other in itertools.combinations(range(len(FACTORS)), 2):
        assert len({(row[one], row[other]) for row in ROWS}) == 4


def changes_of(row):
    """Hooks and settings of a kind of training."""
    on = {name for name, value in zip(FACTORS, row, strict=True) if value}
    model = dict(SEGFORMER if 'droppath' in on else FCN)
    model['backbone'] = dict(model['backbone'], with_cp='checkpoint' in on)
    model['decode_head'] = dict(model['decode_head'], dropout_ratio=0.3)
    base = config_of('/', '/')
    wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
    if 'amp' in on:
        wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
    if 'accumulate' in on:
        wrapper.update(accumulative_counts=3)
    changes = dict(
        model=model,
        optim_wrapper=wrapper,
        randomness=dict(seed=3, deterministic='workers' in on),
        backends=[dict(type='LocalVisBackend')],
    )
    if 'epochs' in on:
        changes.update(
            train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
            log_processor=dict(by_epoch=True),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', interval=9),
            ),
        )
    else:
        changes['default_hooks'] = dict(
            base.default_hooks,
            checkpoint=dict(type='CheckpointHook', interval=9),
        )
    hooks = [dict(type='EMAHook', momentum=0.3)] if 'ema' in on else []
    return [*hooks, WITNESS], changes, on


def _marked(row):
    """The first row, with nothing switched on, finds theory as well."""
    marks = () if any(row) else [pytest.mark.theory]
    return pytest.param(row, id=''.join(map(str, row)), marks=marks)


@pytest.mark.parametrize('row', [_marked(row) for row in ROWS])
def test_training_is_bit_identical_with_and_without(row, train, monkeypatch):
    hooks, changes, on = changes_of(row)
    if on:  # the first row finds theory and draws pictures as well
        monkeypatch.setattr(
            publisher,
            'pictures_of',
            lambda *a: [('a', lambda: np.zeros((4, 4, 3), np.uint8))],
        )
    measured = count_passes(monkeypatch)
    ours = train([*hooks, ERF], changes, on)
    assert len(measured) >= 3  # before training and at two validations
    measured.clear()
    theirs = train(hooks, changes, on)
    assert not measured
    assert differing(ours, theirs) == []
    losses = [line for line in ours['losses'] if 'loss' in line]
    assert len(losses) == len(ours['batches']) == 4
    waits = ours['waiting'][::2]  # before each validation
    assert ours['waiting'][1::2] == waits
    if 'accumulate' in on:  # of three counts, two are in
        assert any(gradient is not None for gradient in waits[0])


class Noisy(SegDataPreProcessor):
    """Adds noise to what it prepares."""

    def forward(self, data, training=False):
        data = super().forward(data, training)
        data['inputs'] = data['inputs'] + torch.rand_like(data['inputs'])
        return data


class Opening(BaseTransform):
    """Opens what it reads from at its first image, in its own process."""

    opened: list = []

    def transform(self, results):
        self.opened.append(results['img_path'])
        return results


class DrawingSampler(DefaultSampler):
    """Draws a number as it gives its indices."""

    def __iter__(self):
        random.random()
        return super().__iter__()


@pytest.fixture
def registered(monkeypatch):
    for registry, kind in (
        (MODELS, Noisy),
        (TRANSFORMS, Opening),
        (DATA_SAMPLERS, DrawingSampler),
    ):
        monkeypatch.setitem(registry.module_dict, kind.__name__, kind)
    yield
    Opening.opened.clear()


def test_parts_of_a_users_own_that_draw_numbers_or_open_files(
    train, registered
):
    """A preprocessor, a sampler, a transform."""
    dropout = dict(FCN['decode_head'], dropout_ratio=0.3)
    noisy = dict(FCN['data_preprocessor'], type='Noisy')
    model = dict(FCN, data_preprocessor=noisy, decode_head=dropout)
    changes = dict(model=model, backends=[dict(type='LocalVisBackend')])

    def own_parts(cfg):
        loader = cfg.val_dataloader
        loader.update(num_workers=2, sampler=dict(type='DrawingSampler'))
        loader.dataset.pipeline.insert(0, dict(type='Opening'))
        return cfg

    ours = train([WITNESS, ERF], changes, set(), own_parts)
    assert not Opening.opened  # in this process, whose workers are forked
    theirs = train([WITNESS], changes, set(), own_parts)
    assert differing(ours, theirs) == []


def count_passes(monkeypatch):
    passes = []
    kept = erf_hook.Measurement.update

    def update(self, batch):
        passes.append(len(batch))
        return kept(self, batch)

    monkeypatch.setattr(erf_hook.Measurement, 'update', update)
    return passes


ERRORS = [RuntimeError, torch.OutOfMemoryError, KeyboardInterrupt]


@pytest.mark.parametrize('error', ERRORS)
def test_nothing_is_left_on_the_model_of_a_run(
    error, make_runner, monkeypatch
):
    """Whatever a measurement ends with, at the moment that it ends."""
    seen = []

    class Failing(CentreUnit):
        def __call__(self, output, context):
            seen.append(context.layer)
            raise error('failed')

    def middle(self, batch):
        before = of_model(self.model), of_process()
        try:
            kept(self, batch)
        finally:
            after = of_model(self.model), of_process()
            seen.append(differing(before[0], after[0]))
            seen.append(differing(before[1], after[1]))

    kept = erf_hook.Measurement.update
    monkeypatch.setattr(erf_hook.Measurement, 'update', middle)
    monkeypatch.setitem(TARGETS, 'Failing', Failing)
    runner = make_runner(
        [{**ERF, 'initial': False, 'target': dict(type='Failing')}],
        backends=[dict(type='LocalVisBackend')],
    )
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            runner.train()
        assert runner.iter == 2
    else:
        runner.train()
        assert runner.iter == 4
    assert 'backbone[0]' in seen and seen.count([]) >= 2
    assert all(not item for item in seen if isinstance(item, list))


class Drawing(DefaultSampler):
    """Draws from every generator whenever it is iterated."""

    def __iter__(self):
        random.random(), np.random.rand(), torch.rand(1)
        return super().__iter__()


def test_choosing_images_draws_nothing_from_the_training(make_runner):
    runner = make_runner()
    loader = runner.val_loop.dataloader
    sampler = Drawing(loader.dataset, shuffle=False)
    runner.val_loop.dataloader = DataLoader(loader.dataset, sampler=sampler)
    first = of_process()
    list(sampler)
    before = of_process()
    assert len(differing(first, before)) == 3
    erf_hook.ERFHook(num_images=2).before_val_epoch(runner)
    assert differing(before, of_process()) == []
