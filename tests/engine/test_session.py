"""What every rank gathers, over two real gloo processes."""

import gc
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.slow_reference import centre_score, images_like, slow_map

from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.targets import CentreUnit
from mmerf.engine.ranks import (
    gather_failures,
    merge_over_ranks,
    wait_at_exit,
)
from mmerf.engine.session import Session

RANK = """
    import pickle, sys
    import numpy as np
    import torch
    from torch import distributed, nn
    rank, case, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    sys.path.insert(0, sys.argv[4])
    torch.set_num_threads(1)
    sys.setswitchinterval(1000)  # gloo's threads get the interpreter late
    from helpers.slow_reference import images_like
    from mmerf.core.batch import batch_of
    from mmerf.core.measurement import Measurement
    from mmerf.core.options import MeasurementOptions
    from mmerf.engine.session import Session
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)

    class Nothing:
        error = None

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2))
    options = MeasurementOptions(['0'])
    session = Session(net, Measurement(net, options), Nothing())
    images = images_like(7, 12, 15)
    mine = {'split': images[rank::2], 'one': images if rank else images[:0]}
    if case == 'fails' and rank == 1:
        session.failure = RuntimeError('no memory')
    else:
        batch = batch_of(net, mine.get(case, images[rank::2]))
        session.measurement.update(batch)
    failures = [f'{type(f).__name__}: {f}' for f in session.gather()]
    found = {}
    if not failures:
        found = {k: (r.map, r.num_images, r.uncertainty)
                 for k, r in session.measurement.compute().items()}
    with open(f'{folder}/{rank}.pkl', 'wb') as file:
        pickle.dump((failures, found), file)
"""


def run_ranks(case, tmp_path):
    import pickle

    script = tmp_path / 'rank.py'
    script.write_text(textwrap.dedent(RANK))
    here = str(Path(__file__).parents[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), case, str(tmp_path), here]
        )
        for rank in (0, 1)
    ]
    try:
        for process in ranks:
            assert process.wait(timeout=120) == 0
    finally:  # one that waits for another must not outlive the test
        for process in ranks:
            process.kill()
            process.wait()
    return [
        pickle.loads((tmp_path / f'{rank}.pkl').read_bytes())
        for rank in (0, 1)
    ]


def test_the_last_exchange_ends_before_the_interpreter(monkeypatch):
    """Without, gloo aborts some processes at their end (pytorch#179291)."""
    waits = []
    monkeypatch.setattr('atexit.register', lambda *call: waits.append(call))
    monkeypatch.setattr('mmerf.engine.ranks.get_world_size', lambda: 2)
    monkeypatch.setattr(
        'mmerf.engine.ranks.all_gather_object', lambda mine: [mine, mine]
    )
    wait_at_exit.cache_clear()
    for _ in range(2):
        assert gather_failures(None) == []
        merge_over_ranks(Empty())
    assert waits == [(time.sleep, 0.5)]


class Empty:
    """A measurement that has nothing to sum."""

    def reduce(self, gather, summed):
        pass


def expected():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5, padding=2))
    images = images_like(7, 12, 15)
    measurement = Measurement(net, MeasurementOptions(['0']))
    measurement.update(batch_of(measurement.model, images))
    slow = slow_map(images, lambda x: centre_score(net(x)))
    return measurement.compute()['0'], slow


@pytest.mark.parametrize('case', ['split', 'one'])
def test_two_ranks_gather_the_map_of_one(case, tmp_path):
    """Seven images over two ranks, also where one rank has none."""
    alone, slow = expected()
    for failures, found in run_ranks(case, tmp_path):
        map_hw, number, uncertainty = found['0']
        assert not failures and number == 7
        np.testing.assert_allclose(map_hw, alone.map, rtol=1e-12, atol=0)
        assert np.abs(map_hw - slow).max() <= 1e-6 * slow.max()
        ours = alone.uncertainty['side']['0.5']['stderr']
        assert uncertainty['side']['0.5']['stderr'] == pytest.approx(ours)


def test_a_failure_of_one_rank_reaches_all_and_none_waits(tmp_path):
    (own, nothing), (other, also_nothing) = run_ranks('fails', tmp_path)
    assert own == ['MeasurementError: rank 1: RuntimeError: no memory']
    assert other == ['RuntimeError: no memory']
    assert nothing == also_nothing == {}


class Everything:
    """A selection that takes the first image of each batch."""

    error = None

    def of_batch(self, batch_idx):
        return [0]


class Failing(CentreUnit):
    def __call__(self, output, context):
        big = torch.ones(1000, 1000)
        raise torch.cuda.OutOfMemoryError(f'out of memory at {big.shape}')


def test_a_kept_failure_keeps_no_memory(fcn):
    from mmseg.structures import SegDataSample

    measurement = Measurement(
        fcn, MeasurementOptions(['backbone[0]'], target=Failing())
    )
    session = Session(fcn, measurement, Everything())
    batch = dict(
        inputs=[torch.zeros(3, 32, 48, dtype=torch.uint8)],
        data_samples=[SegDataSample()],
    )
    session.measure_batch(0, batch)
    assert isinstance(session.failure, torch.cuda.OutOfMemoryError)
    gc.collect()
    held = [
        t for t in gc.get_objects()
        if isinstance(t, torch.Tensor)
        and not t.is_nested  # another test's: it has no shape
        and t.shape == (1000, 1000)
    ]  # fmt: skip
    assert not held
    strict = Session(fcn, measurement, Everything(), strict=True)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        strict.measure_batch(0, batch)
