"""The same over two real processes: DDP, gloo, a whole training each."""

import json
import os
import pickle
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from helpers.model_state import differing

RANK = """
    import os, pickle, sys
    from pathlib import Path
    import torch
    rank, folder, data_root, tests = int(sys.argv[1]), *sys.argv[2:5]
    sys.path.insert(0, tests)
    torch.set_num_threads(1)
    # mmengine's launcher asks for CUDA, and for a device of DDP, on CPUs too
    torch.cuda.set_device = lambda *args: None
    from torch.nn.parallel import DistributedDataParallel
    made = DistributedDataParallel.__init__

    def on_cpu(self, module, device_ids=None, **kwargs):
        made(self, module, **kwargs)

    DistributedDataParallel.__init__ = on_cpu
    from helpers.mmseg_configs import config_of
    from mmengine.runner import Runner
    from helpers.model_state import of_run
    from mmerf.core.targets import TARGETS, CentreUnit
    from mmerf.engine import theory

    theory.add_theory = lambda measurement: []

    class FailsOnOne(CentreUnit):
        def __call__(self, output, context):
            if rank == 1:
                raise torch.OutOfMemoryError('CUDA out of memory')
            return super().__call__(output, context)

    TARGETS['FailsOnOne'] = FailsOnOne

    def train(name, **settings):
        hook = dict(type='ERFHook', layers=['backbone[1]'], num_images=4,
                    initial=True, **settings)
        cfg = config_of(
            data_root, f'{folder}/{name}',
            hooks=[dict(type='Witness')] + [hook] * (name != 'without'),
            backends=[dict(type='LocalVisBackend')], launcher='pytorch',
            env_cfg=dict(dist_cfg=dict(backend='gloo')))
        cfg.train_dataloader.batch_size = 2
        cfg.experiment_name = f'{folder}/{name}'
        runner = Runner.from_cfg(cfg)
        try:
            runner.train()
        except Exception as error:
            return f'{type(error).__name__}: {error}'
        assert type(runner.model).__name__ == 'MMDistributedDataParallel'
        torch.distributed.barrier()  # rank 0 writes scalars.json
        logs = Path(runner.log_dir).glob('*.log')
        text = ''.join(path.read_text() for path in logs)
        return of_run(runner), text if rank == 0 else '', f'{folder}/{name}'

    found = {
        'without': train('without'),
        'with': train('with'),
        'by_class': train('by_class', by_class='label', on_error='raise'),
        'fails': train('fails', target=dict(type='FailsOnOne')),
        'raises': train('raises', target=dict(type='FailsOnOne'),
                        on_error='raise'),
    }
    with open(f'{folder}/{rank}.pkl', 'wb') as file:
        pickle.dump(found, file)
"""


@pytest.fixture(scope='module')
def ranks(data_root, tmp_path_factory):
    """What both ranks are left with after five trainings each."""
    folder = tmp_path_factory.mktemp('ddp')
    script = folder / 'rank.py'
    script.write_text(textwrap.dedent(RANK))
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
    here = str(Path(__file__).parents[1])
    environment = dict(
        os.environ, MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port),
        WORLD_SIZE='2', OMP_NUM_THREADS='1', GLOO_SOCKET_IFNAME='lo',
    )  # fmt: skip
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(folder),
             str(data_root), here],
            env={**environment, 'RANK': str(rank), 'LOCAL_RANK': str(rank)},
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        codes = [process.wait(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    assert codes == [0, 0]
    return [
        pickle.loads((folder / f'{rank}.pkl').read_bytes()) for rank in (0, 1)
    ]


def first_shares(folder):
    """The shares by class that a run has logged first, at step 0."""
    (path,) = Path(folder).glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]['step'] == 0
    return {k: v for k, v in lines[0].items() if '_share/' in k}


def test_two_ranks_log_the_shares_by_class_of_one(ranks, make_runner):
    """At step 0: later each rank has batch norms' statistics of its own."""
    hook = dict(type='ERFHook', layers=['backbone[1]'], num_images=4,
                initial=True, by_class='label', on_error='raise')  # fmt: skip
    loop = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=5)
    alone = make_runner([hook], train_cfg=loop)
    alone.train()
    found = first_shares(ranks[0]['by_class'][2])
    assert len(found) == 2
    assert found == pytest.approx(first_shares(alone.work_dir), rel=1e-5)


@pytest.mark.parametrize('case', ['with', 'fails', 'by_class'])
def test_two_ranks_train_as_without_the_hook(ranks, case):
    for found in ranks:
        theirs, ours = found['without'][0], found[case][0]
        assert differing(ours, theirs) == []
        assert theirs['iter'] == len(theirs['batches']) == 4
    zero, one = (found['without'][0] for found in ranks)
    assert zero['batches'] != one['batches']
    assert zero['optimizer'] == one['optimizer']


def test_a_rank_without_memory_is_a_warning_of_the_run(ranks):
    log = ranks[0]['fails'][1]
    for step in (0, 2, 4):  # mmengine logs a warning of one text only once
        assert f'the ERF of step {step} was not measured' in log
    assert log.count('rank 1: OutOfMemoryError') == 3
    assert log.count('the run goes on') == 3
    assert 'ERFHook' not in ranks[0]['with'][1]


def test_where_failures_stop_the_run_they_stop_every_rank(ranks):
    zero, one = (found['raises'] for found in ranks)
    assert zero.startswith('MeasurementError: rank 1: OutOfMemoryError')
    assert one.startswith('OutOfMemoryError')
