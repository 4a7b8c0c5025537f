"""The hook with targets by class, and with other attributions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import CLASSES
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.targets import Target
from mmerf.engine.hooks.hook_conflicts import result_keys

ERF = dict(type='ERFHook', layers=['decode_head'], num_images=3)


def vis_data(runner):
    return Path(runner.log_dir) / 'vis_data'


def lines(runner):
    text = (vis_data(runner) / 'erf' / 'erf.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def log_text(runner):
    (path,) = Path(runner.log_dir).glob('*.log')
    return path.read_text()


def test_every_class_has_its_files_tags_and_scalars(make_runner):
    """By the labels: both classes are in every image of the small data."""
    target = dict(type='ClassRegion', region='ground_truth')
    runner = make_runner([{**ERF, 'target': target}])
    runner.val()
    keys = [f'decode_head:{name}' for name in CLASSES]
    assert [line['layer'] for line in lines(runner)] == keys
    columns = []
    for key, line in zip(keys, lines(runner), strict=True):
        stem = key.replace(':', '%3A')
        result = ERFResult.load(vis_data(runner) / f'erf/0/{stem}.npz')
        assert result.layer == key and result.num_images == 3
        assert line['absent_images'] == 0
        columns.append(result.unit_pixel[1] - result.unit_pixel[0])
        assert (vis_data(runner) / f'erf/0/{stem}.png').is_file()
        assert (vis_data(runner) / f'vis_image/erf/{key}_0.png').is_file()
    accumulator = EventAccumulator(str(vis_data(runner)))
    accumulator.Reload()
    tags = accumulator.Tags()
    for key in keys:
        assert f'erf/{key}' in tags['images']
        assert f'erf_side_0.5/{key}' in tags['scalars']
    assert '_' not in {
        key.removeprefix('erf/')[11]
        for key in tags['images']
        if key.startswith('erf/decode_head')
    }
    # left and right halves of a 32 x 48 image: rows 15.5, columns 11.5, 35.5;
    # maps are aligned, so that the canvas keeps only what lies about them
    results = [
        ERFResult.load(
            vis_data(runner) / f'erf/0/{key.replace(":", "%3A")}.npz'
        )
        for key in keys
    ]
    assert results[0].unit_pixel[1] + 8 < results[1].unit_pixel[1]


def constant(runner):
    """Make the head predict the first class everywhere."""
    with torch.no_grad():
        runner.model.decode_head.conv_seg.weight.zero_()
        runner.model.decode_head.conv_seg.bias.copy_(torch.tensor([1.0, 0.0]))


@HOOKS.register_module(name='AlwaysLeft', force=True)
class AlwaysLeft(Hook):
    priority = 'VERY_HIGH'

    def before_val(self, runner):
        constant(runner)


def test_a_class_never_predicted_is_a_warning_and_no_map(make_runner):
    hook = {**ERF, 'layers': ['backbone[1]'], 'target': 'ClassRegion'}
    runner = make_runner([dict(type='AlwaysLeft'), hook])
    runner.val()
    assert [line['layer'] for line in lines(runner)] == ['backbone[1]:left']
    assert not list(vis_data(runner).rglob('*right*'))
    log = log_text(runner)
    assert 'backbone[1]:right: in none of the 3 image(s)' in log
    raising = make_runner(
        [dict(type='AlwaysLeft'), {**hook, 'on_error': 'raise'}]
    )
    raising.val()  # nothing has failed


def test_a_wrong_class_fails_before_the_first_iteration(make_runner):
    target = dict(type='ClassRegion', classes=['lft'])
    runner = make_runner([{**ERF, 'target': target}])
    with pytest.raises(ConfigError, match="no class 'lft'; nearest: left"):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize(
    'attribution',
    [
        dict(type='NoiseVariance', patch_size=16, draws=4),
        dict(type='Occlusion', patch_size=16),
        dict(type='GradCAM', interpolation='nearest'),
    ],
)
def test_attributions_leave_no_trace_either(make_runner, attribution):
    runner = make_runner(
        [{**ERF, 'layers': ['backbone[1]'], 'attribution': attribution,
          'num_images': 2, 'on_error': 'raise'}]
    )  # fmt: skip
    runner.train()
    without = make_runner([])
    without.train()
    ours, theirs = runner.model.state_dict(), without.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    found = lines(runner)
    assert {line['step'] for line in found} == {2, 4}
    attention = attribution['type'] == 'GradCAM'
    scalars = (vis_data(runner) / 'scalars.json').read_text()
    for line in found:
        assert line['kind'] == ('attention' if attention else 'erf')
        assert ('note' in line['statistics']) == attention
        side = f'erf_side_0.5/{line["layer"]}'
        assert (side in scalars) != attention
    assert np.isfinite(
        ERFResult.load(next(vis_data(runner).rglob('*.npz'))).map
    ).all()


def of_classes(classes, **more):
    target = dict(type='ClassRegion', classes=classes, region='ground_truth')
    return dict(layers='decode_head', target=target, **more)


BOTH_BY_CLASS = [of_classes(c, by_class='label') for c in ('left', 'right')]


@pytest.mark.parametrize(
    ('first', 'second', 'clash'),
    [
        (dict(layers='decode_head'), dict(layers='decode_head'), True),
        (dict(layers='backbone'), dict(layers='backbone[1]'), True),
        (dict(layers='backbone[1]'), dict(layers='backbone'), True),
        (dict(layers='backbone[1]'), dict(layers='backbone[2]'), False),
        (dict(layers='backbone[1]'), dict(layers='decode_head'), False),
        (
            dict(layers='decode_head'),
            dict(layers='decode_head', target=dict(type='ClassRegion')),
            False,
        ),
        (of_classes('left'), of_classes('right'), False),
        (of_classes('left'), of_classes(0), True),
        (of_classes(None), of_classes('right'), True),
        (*BOTH_BY_CLASS, True),  # means over classes have one name
    ],
)
def test_two_hooks_do_not_replace_each_others_results(
    first, second, clash, make_runner
):
    hooks = [{**ERF, **first}, {**ERF, **second}]
    runner = make_runner(hooks)
    if clash:
        with pytest.raises(ConfigError, match='two ERFHooks measure'):
            runner.train()
        assert runner.iter == 0
    else:
        runner.val()
        logged = [line['layer'] for line in lines(runner)]
        assert len(logged) == len(set(logged)) >= 2
        for hook in hooks:
            assert any(key.startswith(hook['layers']) for key in logged)
        scalars = (vis_data(runner) / 'scalars.json').read_text()
        for layer in logged:
            assert scalars.count(f'"erf_side_0.5/{layer}"') == 1


class NeedsClasses(Target):
    needs = frozenset({'num_classes'})


@pytest.mark.parametrize(
    ('target', 'names', 'labels'),
    [
        (None, CLASSES, ['']),
        ('ClassRegion', CLASSES, [':left', ':right']),
        ('ClassUnit', None, []),
        (dict(type='ClassUnit', classes=[1]), None, [':1']),
        (
            ['CentreUnit', of_classes('right')['target']],
            CLASSES,
            ['', ':right'],
        ),
        (['CentreUnit', 'ClassUnit'], None, []),
        (NeedsClasses(), CLASSES, []),
    ],
)
def test_names_of_results_before_anything_is_measured(
    target, names, labels, fcn
):
    options = MeasurementOptions(
        ['backbone[1]', 'decode_head'], target, classes=names
    )
    assert result_keys(Measurement(fcn, options)) == {
        f'{layer}{label}'
        for layer in ('backbone[1]', 'decode_head')
        for label in labels
    }
