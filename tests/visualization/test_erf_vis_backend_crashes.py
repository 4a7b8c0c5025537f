"""Processes that die or meet while they write."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmerf import ERFResult
from mmerf.core.atomic_files import folder_lock
from mmerf.core.errors import ResultError
from mmerf.visualization import ERFVisBackend

COMMON = """
    import os, signal, sys
    import numpy as np
    from matplotlib.figure import Figure
    from mmerf import ERFResult
    from mmerf.visualization import ERFVisBackend, erf_vis_backend

    # a small picture, since drawing is not what is tested here
    erf_vis_backend.plot_map = lambda *args, **kwargs: (Figure((1, 1)), None)

    def result(layer):
        rng = np.random.default_rng(0)
        return ERFResult.from_map(rng.random((60, 80)), layer=layer)
"""
# Each child kills itself at one place of writing step 2.
KILLED = """
    def killer(function, number, late):
        calls = []

        def wrapper(*args, **kwargs):
            calls.append(1)
            if len(calls) == number and not late:
                os.kill(os.getpid(), signal.SIGKILL)
            value = function(*args, **kwargs)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        return wrapper

    def half(file, **arrays):
        file.write(b'PK' * 1000)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    root = sys.argv[1]
    places = [('half', 0, False)] + [
        (name, number, late)
        for name in ('fsync', 'replace') for number in (1, 2, 3)
        for late in (False, True)]
    for name, number, late in places:
        folder = f'{root}/{name}_{number}_{late}'
        ERFVisBackend(folder).add_erf(result('a'), 1)
        child = os.fork()
        if child == 0:
            if name == 'half':
                np.savez_compressed = half
            else:
                setattr(os, name, killer(getattr(os, name), number, late))
            ERFVisBackend(folder).add_erf(result('a'), 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, (name, status)
        print(folder, flush=True)
"""
# Writes its own layers of the same steps, as fast as it can.
TWO_RUNS = """
    folder, name = sys.argv[1:]
    backend = ERFVisBackend(folder)
    print('ready', flush=True)
    sys.stdin.readline()
    for step in range(20):
        backend.add_erf(result(name), step)
        backend.add_scalars({name: step}, step)
"""


def start(code, *args):
    return subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(COMMON + code), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_whole(folder):
    """Whatever stands under its own name is whole."""
    for path in folder.rglob('*.npz'):
        assert ERFResult.load(path).map.shape == (60, 80)
    for path in folder.rglob('*.png'):
        with Image.open(path) as image:
            image.load()
    return {(r['step'], r['layer']) for r in lines(folder / 'erf/erf.jsonl')}


def test_killed_at_every_place_of_a_write(tmp_path):
    out, _ = start(KILLED, str(tmp_path)).communicate(timeout=120)
    folders = [Path(line) for line in out.splitlines()]
    assert len(folders) == 13
    written = []
    for folder in folders:
        found = check_whole(folder)
        assert (1, 'a') in found
        written.append((2, 'a') in found)
        ERFVisBackend(str(folder)).add_erf(
            ERFResult.load(folder / 'erf/1/a.npz'), 3
        )
        assert check_whole(folder) == found | {(3, 'a')}
    assert written == [*[False] * 12, True]  # only after the last rename


def test_two_runs_in_one_folder_lose_no_line(tmp_path):
    runs = [start(TWO_RUNS, str(tmp_path), name) for name in 'ab']
    for run in runs:
        assert run.stdout.readline() == 'ready\n'
    for run in runs:
        run.stdin.write('go\n')
        run.stdin.flush()
    for run in runs:
        run.communicate(timeout=120)
        assert run.returncode == 0
    expected = {(step, name) for step in range(20) for name in 'ab'}
    found = lines(tmp_path / 'erf/erf.jsonl')
    assert len(found) == 40
    assert {(r['step'], r['layer']) for r in found} == expected
    scalars = lines(tmp_path / 'erf/scalars.json')
    assert {(r['step'], *set(r) - {'step'}) for r in scalars} == expected


def test_a_run_waits_while_another_changes_the_file(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    backend.add_erf(ERFResult.from_map([[0.0, 1.0]], layer='a'), 1)
    path = tmp_path / 'erf/erf.jsonl'
    late = Thread(target=backend._add_line, args=({'step': 2, 'layer': 'a'},))
    with folder_lock(tmp_path / 'erf'):
        late.start()
        late.join(0.5)
        assert late.is_alive() and len(lines(path)) == 1
    late.join(60)
    assert [r['step'] for r in lines(path)] == [1, 2]


def test_lines_that_something_tore_are_dropped_and_the_rest_kept(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    result = ERFResult.from_map([[0.0, 1.0]], layer='a')
    backend.add_erf(result, 1)
    path = tmp_path / 'erf/erf.jsonl'
    torn = path.read_bytes()[:100] + b'\xff\n[1]\n"text"\n{"step'
    path.write_bytes(path.read_bytes() + torn)
    backend.add_erf(result, 2)
    assert [r['step'] for r in lines(path)] == [1, 2]


def test_a_torn_array_file_is_refused(tmp_path):
    path = ERFResult.from_map([[0.0, 1.0]]).save(tmp_path / 'x.npz')
    content = path.read_bytes()
    for length in range(0, len(content), 40):
        path.write_bytes(content[:length])
        with pytest.raises(ResultError):
            ERFResult.load(path)


FULL = OSError(errno.ENOSPC, 'No space left on device')
READ_ONLY = OSError(errno.EROFS, 'Read-only file system')


@pytest.fixture(params=['full', 'read-only', 'full at the end'])
def no_disk(request, monkeypatch):
    """The system's calls fail as they would there."""
    error = READ_ONLY if request.param == 'read-only' else FULL

    def refuse(*args, **kwargs):
        raise error

    if request.param == 'read-only':
        monkeypatch.setattr(os, 'mkdir', refuse)
        monkeypatch.setattr(tempfile, 'mkstemp', refuse)
        monkeypatch.setattr(os, 'open', refuse)
    elif request.param == 'full':
        monkeypatch.setattr(os, 'fsync', refuse)
        monkeypatch.setattr(os, 'write', refuse)
    else:
        monkeypatch.setattr(os, 'replace', refuse)
        monkeypatch.setattr(os, 'write', refuse)
    return error


def test_what_loops_call_warns_and_add_erf_raises(tmp_path, no_disk):
    backend = ERFVisBackend(str(tmp_path))
    backend.add_scalar('loss', 1.0, 1)
    backend.add_scalars({'loss': 1.0}, 2)
    backend.add_image('x', np.zeros((4, 4, 3), np.uint8), 1)
    backend.add_config(Config(dict(a=1)))
    with pytest.raises(OSError, match=no_disk.strerror):
        backend.add_erf(ERFResult.from_map([[0.0, 1.0]]), 1)
    left = [path for path in tmp_path.rglob('*') if path.is_file()]
    assert all(path.stat().st_size == 0 for path in left), left
    assert not list(tmp_path.rglob('*.part'))
