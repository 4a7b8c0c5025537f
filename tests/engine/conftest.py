"""What tests of runs share."""

import pytest
import torch

from mmerf.core.shortcuts import budget
from mmerf.engine import theory
from mmerf.plots.drawing.figure import Figure


@pytest.fixture(autouse=True)
def _without_theory(request, monkeypatch):
    """Leave out the search for theoretical fields, seconds in every run.

    It has its own tests; a run that shall find them is marked ``theory``.
    """
    if request.node.get_closest_marker('theory') is None:
        monkeypatch.setattr(theory, 'add_theory', lambda measurement: [])


@pytest.fixture(autouse=True)
def _without_compressed_layout(monkeypatch):
    """Draw pictures where their parts happen to lie.

    Laying out is a third of a small training's time; figures have tests of
    their own.
    """
    monkeypatch.setattr(
        Figure, 'settle', lambda self: self.set_layout_engine('none')
    )


def loaders(cfg, on):
    """Data that is drawn at random, in workers where asked."""
    flip = dict(type='RandomFlip', prob=0.5)
    for name in ('train_dataloader', 'val_dataloader'):
        cfg[name].dataset.pipeline.insert(2, flip)
    if 'epochs' in on:
        cfg.train_dataloader.sampler = dict(
            type='DefaultSampler', shuffle=True
        )
    if 'workers' in on:
        for name in ('train_dataloader', 'val_dataloader'):
            cfg[name].num_workers = 1
            cfg[name].persistent_workers = True
    return cfg


def stop_workers(runner):
    """Now: left to the garbage collector, each takes five seconds."""
    owners = [
        getattr(runner.train_loop, 'dataloader_iterator', None),
        runner.train_dataloader,
        runner.val_dataloader,
    ]
    for owner in owners:
        stop = getattr(
            getattr(owner, '_iterator', None), '_shutdown_workers', None
        )
        if stop is not None:
            stop()


@pytest.fixture
def train(data_root, tmp_path, monkeypatch):
    """Train and return what the training left."""
    from helpers.mmseg_configs import config_of
    from helpers.model_state import of_run
    from mmengine.optim import AmpOptimWrapper
    from mmengine.optim.optimizer import amp_optimizer_wrapper
    from mmengine.runner import Runner

    # mmengine offers it on accelerators only; bfloat16 runs on a CPU too.
    monkeypatch.setattr(
        amp_optimizer_wrapper, 'is_cuda_available', lambda: True
    )
    # As if images were large: folded batch norms, and the search for crops.
    monkeypatch.setattr(budget, 'SMALL_IMAGE', 0)
    assert AmpOptimWrapper.__module__ == amp_optimizer_wrapper.__name__
    made = []

    def run(hooks, changes, on, change=lambda cfg: cfg):
        work_dir = tmp_path / f'{len(made)}_{tmp_path.name}'
        cfg = config_of(data_root, work_dir, hooks=hooks, **changes)
        cfg.experiment_name = str(work_dir)
        made.append(Runner.from_cfg(change(loaders(cfg, on))))
        made[-1].train()
        stop_workers(made[-1])
        return of_run(made[-1])

    yield run
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.benchmark = False
