"""What goes wrong in a long training, put where it comes from."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from conftest import config_of
from mmengine.runner import Runner
from traces import differing, of_run

from mmerf import ERFResult
from mmerf.core.targets import TARGETS, CentreUnit
from mmerf.engine.hooks import erf_hook

ERF = dict(type='ERFHook', layers=['backbone[1]'], num_images=4)
WITNESS = dict(type='Witness')
LOCAL = [dict(type='LocalVisBackend')]
BOTH = [*LOCAL, dict(type='ERFVisBackend')]


@pytest.fixture(autouse=True)
def _no_theory(monkeypatch):
    monkeypatch.setattr(erf_hook, 'add_theory', lambda measurement: None)


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
    assert '1 image(s) a pass since memory ran out' in log_text(runner)
    assert 'memory ran out' not in log_text(plain)
    maps = [
        ERFResult.load(Path(r.log_dir, 'vis_data/erf/0/backbone[1].npz'))
        for r in (runner, plain)
    ]
    assert [result.num_images for result in maps] == [4, 4]
    difference = abs(maps[0].map - maps[1].map).max()
    assert difference <= 1e-6 * maps[1].map.max()


@pytest.fixture(params=['full', 'read-only'])
def disk(request, monkeypatch):
    """From here on, nothing that mmerf writes reaches the disk."""
    number = errno.ENOSPC if request.param == 'full' else errno.EROFS
    error = OSError(number, os.strerror(number))

    def refuse(*args, **kwargs):
        raise error

    def break_it():
        from mmerf.core import files
        from mmerf.visualization import erf_vis_backend

        seam = 'fsync' if request.param == 'full' else 'replace'
        monkeypatch.setattr(files.os, seam, refuse)
        monkeypatch.setattr(erf_vis_backend, '_append', refuse)
        return error.strerror

    return break_it


def test_a_training_without_disk_goes_on_and_is_the_same(make_runner, disk):
    plain = make_runner([WITNESS], backends=LOCAL)
    plain.train()
    expected = of_run(plain)
    runner = make_runner([WITNESS, ERF], backends=BOTH)
    said = disk()
    runner.train()
    assert runner.iter == 4
    assert differing(of_run(runner), expected) == []
    log = log_text(runner)
    for step in (2, 4):
        assert f'ERFVisBackend did not take the ERF of step {step}' in log
    assert said in log and 'add_scalars wrote nothing' in log
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
