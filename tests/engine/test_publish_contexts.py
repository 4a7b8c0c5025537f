"""The hook's shares by class: in the log, every backend and erf.jsonl."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import CLASSES
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from mmerf import measure_by_class
from mmerf.apis.compare.read_runs import read_history, read_run
from mmerf.core.batch import batch_of
from mmerf.core.by_class.contexts import class_contexts
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions

LAYERS = ['backbone[1]', 'decode_head']
ERF = dict(type='ERFHook', layers=LAYERS, num_images=3, on_error='raise')
NAMES = ('own_segment_share', 'own_class_share')
TAGS = [f'erf_{name}/{layer}' for layer in LAYERS for name in NAMES]


def vis_data(runner):
    return Path(runner.log_dir) / 'vis_data'


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def logged(runner):
    """The scalars of every step, as scalars.json has them."""
    return {
        line['step']: [line[tag] for tag in TAGS]
        for line in json_lines(vis_data(runner) / 'scalars.json')
        if TAGS[0] in line
    }


def by_python(runner, by_class):
    """The same from Python, on the images that the hook has measured."""
    model, data = runner.model.eval(), runner.val_dataloader.dataset
    samples = [data[i] for i in (0, 1, 3)]  # floor(k 5 / 3)
    batch = {key: [one[key] for one in samples] for key in samples[0]}
    images = model.data_preprocessor(batch, False)['inputs']
    if by_class == 'prediction':
        return measure_by_class(model, images, LAYERS, classes=CLASSES)
    labels = torch.cat([s['data_samples'].gt_sem_seg.data for s in samples])
    measurement = Measurement(
        model, MeasurementOptions(LAYERS, classes=CLASSES, by_class='label')
    )
    whole = batch_of(model, images)
    object.__setattr__(whole, 'labels', lambda: labels)
    measurement.update(whole)
    return class_contexts(measurement, measurement.compute())


@pytest.mark.parametrize('by_class', ['prediction', 'label'])
def test_shares_are_logged_everywhere_and_are_those_of_python(
    make_runner, by_class
):
    runner = make_runner([{**ERF, 'by_class': by_class}], log_level='INFO')
    runner.train()
    assert list(logged(runner)) == [2, 4]
    contexts = by_python(runner, by_class)
    wanted = []
    for context in contexts.values():
        assert context.rows == CLASSES
        wanted += [context.split[:, 0].mean(), context.own_class_share.mean()]
    assert logged(runner)[4] == pytest.approx(wanted, abs=1e-6)
    assert 0 < wanted[0] < 1 and wanted[0] <= wanted[1]
    found = EventAccumulator(str(vis_data(runner)))
    found.Reload()
    for tag, value in zip(TAGS, wanted, strict=True):
        steps = {event.step: event.value for event in found.Scalars(tag)}
        assert list(steps) == [2, 4]
        assert steps[4] == pytest.approx(value, abs=1e-6)
    lines = {
        line['layer']: line
        for line in json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
        if line['step'] == 4
    }
    classes = {f'{layer}:{name}' for layer in LAYERS for name in CLASSES}
    assert lines.keys() == {*LAYERS, *classes}
    for layer, context in contexts.items():
        line = lines[layer]
        assert line['kind'] == 'class context' and line['rows'] == ['left',
            'right']  # fmt: skip
        assert line['by_class'] == by_class
        assert np.allclose(line['shares'], context.shares, atol=1e-6)
        assert line['own_segment_share'] in logged(runner)[4]
    (path,) = Path(runner.log_dir).glob('*.log')
    for tag in TAGS:
        assert path.read_text().count(f'{tag}: ') == 2


def test_a_training_equals_one_without(make_runner):
    runner = make_runner([{**ERF, 'by_class': 'label', 'initial': True}])
    runner.train()
    without = make_runner([])
    without.train()
    assert list(logged(runner)) == [0, 2, 4]
    ours, theirs = runner.model.state_dict(), without.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    losses = [
        [
            line['loss']
            for line in json_lines(vis_data(one) / 'scalars.json')
            if 'loss' in line
        ]
        for one in (runner, without)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 4


def test_runs_with_such_lines_are_compared_as_others_are(make_runner):
    runner = make_runner([{**ERF, 'by_class': 'label'}])
    runner.val()
    history = read_history(vis_data(runner))
    keys = [f'{layer}:{name}' for layer in LAYERS for name in CLASSES]
    assert [record['layer'] for record in history] == keys
    assert list(read_run(vis_data(runner))) == keys


def test_a_test_after_training_replaces_no_line(make_runner):
    runner = make_runner([{**ERF, 'by_class': 'label'}])
    runner.train()
    before = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    runner.test()
    after = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    assert after[: len(before)] == before
    added = {line['layer'] for line in after[len(before) :]}
    assert {f'test:{layer}' for layer in LAYERS} < added


def test_a_second_hook_measures_the_centre_of_the_same_layers(make_runner):
    """Its lines stay beside those of the classes, at every step."""
    runner = make_runner([{**ERF, 'by_class': 'label'}, ERF])
    runner.val()
    lines = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    kinds = [line['kind'] for line in lines if line['layer'] in LAYERS]
    assert sorted(kinds) == ['class context'] * 2 + ['erf'] * 2


@VISBACKENDS.register_module(name='NoContexts', force=True)
class NoContexts(BaseVisBackend):
    """Takes maps, and fails at contributions by class."""

    experiment = None

    def _init_env(self):
        pass

    def add_erf(self, result, step):
        pass

    def add_class_context(self, context, step):
        raise OSError('No space left on device')


def test_a_backend_that_fails_is_a_warning(make_runner):
    runner = make_runner(
        [{**ERF, 'by_class': 'label', 'on_error': 'warn'}],
        backends=[dict(type='NoContexts'), dict(type='LocalVisBackend')],
    )
    runner.val()
    (path,) = Path(runner.log_dir).glob('*.log')
    assert 'NoContexts did not take the ERF' in path.read_text()
    assert list(logged(runner)) == [0]
