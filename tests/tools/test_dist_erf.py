"""Several processes on one machine, over gloo, started as a user would."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmerf import ERFResult
from mmerf.apis.terminal.launch import join_processes
from mmerf.core.errors import ConfigError
from mmerf.core.gradient import worth

ROOT = Path(__file__).parents[2]
# As the processes have it; conftest lowers both in this process only.
SKIPPING = {
    'LARGE_GRADIENT': worth.LARGE_GRADIENT,
    'LARGE_SHARE': worth.LARGE_SHARE,
}


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


def dist_erf(config, processes, out, *options):
    return subprocess.run(
        [str(ROOT / 'tools/dist_erf.sh'), str(config), 'none', str(processes),
         '--out-dir', str(out), '--layers', 'backbone[0]', 'decode_head',
         '--no-theory', *options],
        capture_output=True,
        text=True,
        cwd=out.parent,
        env={
            **os.environ,
            'PORT': str(free_port()),
            'OMP_NUM_THREADS': '1',
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        },
        timeout=240,
    )  # fmt: skip


@pytest.mark.usefixtures('as_few')
def test_three_processes_give_the_map_of_one(
    config, photos, tmp_path, erf, monkeypatch
):
    for name, value in SKIPPING.items():
        monkeypatch.setattr(worth, name, value)
    pixels = np.asarray(Image.open(photos / 'coffee.png'))
    for number in range(4):
        moved = Image.fromarray(np.roll(pixels, 5 * number + 5, 1))
        moved.save(photos / f'more{number}.png')
    (photos / 'broken.png').write_bytes(b'none')
    options = ['--img-dir', str(photos), '--num-images', '8']
    done = dist_erf(config, 3, tmp_path / 'three', *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('erf.json') == 1
    assert done.stdout.count('skipped') == 1  # one rank speaks for all
    one = tmp_path / 'one'
    assert erf([str(config), *options, '--out-dir', str(one), '--no-theory',
                '--layers', 'backbone[0]', 'decode_head']) == 0  # fmt: skip
    for layer in ('backbone[0]', 'decode_head'):
        ours = ERFResult.load(tmp_path / 'three' / f'{layer}.npz')
        alone = ERFResult.load(one / f'{layer}.npz')
        assert ours.num_images == alone.num_images == 7
        peak = alone.map.max()
        assert np.abs(ours.map - alone.map).max() <= 1e-12 * peak
        np.testing.assert_allclose(ours.stderr, alone.stderr, atol=1e-9 * peak)
        assert (
            ours.statistics()['centred_square']
            == (alone.statistics()['centred_square'])
        )


def test_an_error_is_said_once_and_no_rank_waits(config, tmp_path):
    done = dist_erf(config, 2, tmp_path / 'x', '--num-images', 'auto')
    assert done.returncode != 0
    assert done.stderr.count('runs in one process') == 1


def test_the_processes_part_before_the_interpreter_ends():
    """A thread of gloo that outlives it aborts the process."""
    script = (
        'import atexit\n'
        'from torch.distributed import is_initialized\n'
        'from mmerf.apis.terminal.launch import join_processes\n'
        'atexit.register(lambda: print("at the end:", is_initialized()))\n'
        'join_processes("pytorch")\n'
        'print("joined:", is_initialized())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        env={**os.environ, 'RANK': '0', 'LOCAL_RANK': '0', 'WORLD_SIZE': '1',
             'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())},
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split('\n')[:2] == ['joined: True', 'at the end: False']


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_a_process_that_no_launcher_started(launcher, monkeypatch):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r'dist_erf\.sh'):
        join_processes(launcher)


def test_launchers_by_name():
    join_processes('none')
    with pytest.raises(ConfigError, match='slurm'):
        join_processes('ssh')
