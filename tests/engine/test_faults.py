"""What goes wrong in a long training, put where it comes from."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.model_state import differing, of_run
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmerf import ERFResult
from mmerf.core.targets import TARGETS, CentreUnit
from mmerf.engine.hooks import erf_hook

ERF = dict(type='ERFHook', layers=['backbone[1]'], num_images=4)
WITNESS = dict(type='Witness')
LOCAL = [dict(type='LocalVisBackend')]
BOTH = [*LOCAL, dict(type='ERFVisBackend')]


def log_text(runner):
    (path,) = Path(runner.log_dir).glob('*.log')
    return path.read_text()


def erf_lines(folder):
    text = (Path(folder) / 'erf' / 'erf.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


class TightForward(CentreUnit):
    """Memory for one image at a time."""

    def __call__(self, output, context):
        if len(output) > 1:
            raise torch.OutOfMemoryError('CUDA out of memory')
        return super().__call__(output, context)


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        if len(gradient) > 1:
            raise torch.OutOfMemoryError('CUDA out of memory')
        return gradient


class TightBackward(CentreUnit):
    def __call__(self, output, context):
        return super().__call__(Backward.apply(output), context)


@pytest.mark.parametrize('tight', [TightForward, TightBackward])
def test_a_run_without_memory_for_a_batch_measures_halves(
    tight, make_runner, monkeypatch
):
    monkeypatch.setitem(TARGETS, 'Tight', tight)
    runner = make_runner(
        [{**ERF, 'target': dict(type='Tight')}],
        backends=BOTH,
        log_level='INFO',
    )
    runner.val()
    plain = make_runner([ERF], backends=BOTH)
    plain.val()
    assert '1 image(s) per pass since memory ran out' in log_text(runner)
    assert 'memory ran out' not in log_text(plain)
    maps = [
        ERFResult.load(Path(r.log_dir, 'vis_data/erf/0/backbone[1].npz'))
        for r in (runner, plain)
    ]
    assert [result.num_images for result in maps] == [4, 4]
    difference = abs(maps[0].map - maps[1].map).max()
    assert difference <= 1e-6 * maps[1].map.max()


def test_a_failure_after_measuring_is_a_warning(make_runner, monkeypatch):
    """Memory for the maps, but not for their statistics."""
    kept = erf_hook.Measurement.compute

    def compute(self):
        monkeypatch.setattr(erf_hook.Measurement, 'compute', kept)
        raise MemoryError('Unable to allocate 3 GiB')

    monkeypatch.setattr(erf_hook.Measurement, 'compute', compute)
    runner = make_runner([ERF], backends=BOTH)
    runner.train()
    assert runner.iter == 4
    log = log_text(runner)
    assert 'the ERF of step 2 was not logged: MemoryError: Unable' in log
    lines = erf_lines(Path(runner.log_dir, 'vis_data'))
    assert [line['step'] for line in lines] == [4]
    monkeypatch.setattr(erf_hook.Measurement, 'compute', compute)
    strict = make_runner([{**ERF, 'on_error': 'raise'}], backends=BOTH)
    with pytest.raises(MemoryError, match='Unable to allocate'):
        strict.train()


class Surgery(Hook):
    """Takes a layer out of the model in the middle of a training."""

    def __init__(self, change):
        self.change = change

    def after_train_iter(self, runner, batch_idx, data_batch=None, **kwargs):
        if runner.iter == 2:
            self.change(runner.model)


def renamed(model):
    model.decode_head.dropout = model.decode_head.dropout[0]


def with_fewer_outputs(model):
    model.decode_head.dropout.forward = lambda x: (x,)


@pytest.mark.parametrize(
    ('layer', 'change', 'reason'),
    [
        ('decode_head.dropout.0', renamed, 'no layer matches'),
        ('decode_head.dropout[1]', with_fewer_outputs, 'decode_head.dropout'),
    ],
)
def test_a_model_that_changes_in_training_is_a_warning(
    layer, change, reason, make_runner
):
    runner = make_runner([{**ERF, 'layers': [layer]}], backends=BOTH)
    head = runner.model.decode_head
    head.dropout = torch.nn.Sequential(head.dropout)
    if change is with_fewer_outputs:
        head.dropout.forward = lambda x: (x, x)
        head.conv_seg.register_forward_pre_hook(
            lambda module, args: args[0][0]
        )
    runner.register_hook(Surgery(change), 'VERY_LOW')
    runner.train()
    assert runner.iter == 4
    log = log_text(runner)
    assert 'the ERF of step 4 was not measured' in log and reason in log
    assert 'step 2 was not' not in log
    lines = erf_lines(Path(runner.log_dir, 'vis_data'))
    assert [line['step'] for line in lines] == [2]


@pytest.fixture(params=['full', 'read-only'])
def disk(request, monkeypatch):
    """From here on, nothing that mmerf writes reaches the disk."""
    number = errno.ENOSPC if request.param == 'full' else errno.EROFS
    error = OSError(number, os.strerror(number))

    def refuse(*args, **kwargs):
        raise error

    def break_it():
        from mmerf.core import atomic_files as files
        from mmerf.visualization import erf_vis_backend

        seam = 'fsync' if request.param == 'full' else 'replace'
        monkeypatch.setattr(files.os, seam, refuse)
        monkeypatch.setattr(erf_vis_backend, '_append_line', refuse)
        return error.strerror

    return break_it


def test_a_training_without_disk_goes_on_and_is_the_same(make_runner, disk):
    plain = make_runner([WITNESS], backends=LOCAL)
    plain.train()
    expected = of_run(plain)
    runner = make_runner([WITNESS, ERF], backends=BOTH)
    reason = disk()
    runner.train()
    assert runner.iter == 4
    assert differing(of_run(runner), expected) == []
    log = log_text(runner)
    for step in (2, 4):
        assert f'ERFVisBackend did not take the ERF of step {step}' in log
    assert reason in log and 'add_scalars wrote nothing' in log
    folder = Path(runner.log_dir, 'vis_data', 'erf')
    left = [path.name for path in folder.rglob('*') if path.is_file()]
    assert left == ['config.py']  # of before


def test_resuming_into_the_same_folder_writes_nothing_twice(
    make_runner, tmp_path
):
    """Killed after step 4 was measured, resumed from step 2."""
    settings = dict(
        backends=[dict(type='ERFVisBackend', save_dir=str(tmp_path))],
        default_hooks=dict(
            logger=dict(type='LoggerHook', log_metric_by_epoch=False),
            checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False),
        ),
    )
    first = make_runner([{**ERF, 'initial': True}], **settings)
    first.train()
    assert [r['step'] for r in erf_lines(tmp_path)] == [0, 2, 4]
    loop = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=2)
    second = make_runner(
        [{**ERF, 'initial': True}],
        load_from=str(Path(first.work_dir) / 'iter_2.pth'),
        resume=True,
        train_cfg=loop,
        **settings,
    )
    second.train()
    steps = [r['step'] for r in erf_lines(tmp_path)]
    assert sorted(steps) == [0, 2, 4, 6]
    folders = {p.name for p in (tmp_path / 'erf').iterdir() if p.is_dir()}
    assert folders == {'0', '2', '4', '6'}


def test_two_runs_in_one_work_dir(data_root, tmp_path):
    """Built at once, so that mmengine may give both the same folder."""
    runners = []
    for name in 'ab':
        cfg = config_of(data_root, tmp_path, hooks=[ERF], backends=BOTH)
        cfg.experiment_name = f'{tmp_path}-{name}'
        cfg.visualizer.name = cfg.experiment_name
        runners.append(Runner.from_cfg(cfg))
    for runner in runners:
        runner.train()
    for runner in runners:
        lines = erf_lines(Path(runner.log_dir, 'vis_data'))
        assert [r['step'] for r in lines] == [2, 4]
