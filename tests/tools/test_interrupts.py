"""Ctrl-C, SIGTERM, and terminals that take no unknown character."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from mmerf import ERFResult
from mmerf.apis.terminal.command import run_command
from mmerf.core.atomic_files import write_text, write_whole

ROOT = Path(__file__).parents[2]


def python(code, *args, **env):
    return subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code), *args],
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path), **env},
    )


@pytest.mark.parametrize(
    ('tool', 'package', 'options'),
    [
        ('erf', 'numpy', []),
        ('erf', 'torch', ['--attribution', 'GradCAM']),
        ('erf', 'torch', []),
        ('erf', 'mmengine', []),
        ('erf', 'mmseg.models', []),
        ('sweep_erf', 'mmengine', ['--vary', 'a=1']),
        ('compare_erf', 'rich', []),
        ('compare_erf', 'matplotlib', []),
        ('questions', 'torch', []),
    ],
)
def test_ctrl_c_in_the_imports(tool, package, options):
    code = """
        import runpy, sys
        class Interrupt:
            def find_spec(self, name, path=None, target=None):
                if name == package:
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupt())
        _, package, *sys.argv = sys.argv
        runpy.run_path(sys.argv[0], run_name='__main__')
    """
    config = ROOT / 'configs' / 'demo' / 'fcn_texture.py'
    tool = ROOT / 'tools' / f'{tool}.py'
    done = python(code, package, str(tool), str(config), *options)
    assert done.returncode == 130
    assert done.stderr == b'interrupted; nothing was written\n'


def test_ctrl_c_tells_what_was_written(
    config, tmp_path, capsys, erf, monkeypatch
):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    out = tmp_path / 'out'
    args = [str(config), '--layers', 'backbone[0]', '--num-images', '1',
            '--no-theory', '--out-dir', str(out)]  # fmt: skip
    monkeypatch.setattr('mmerf.apis.result_folder.write_text', interrupt)
    assert erf(args) == 130
    files = sorted(path.name for path in out.iterdir())
    assert files == ['backbone[0].npz', 'backbone[0].png', 'erf.png',
                     'profile.png']  # fmt: skip
    last = out / 'profile.png'
    assert capsys.readouterr().err == (
        f'interrupted; 4 file(s) were written, the last is {last}\n'
    )
    monkeypatch.setattr('mmerf.apis.erf.build_network', interrupt)
    assert erf(args) == 130
    assert capsys.readouterr().err == 'interrupted; nothing was written\n'


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGHUP'])
def test_a_signal_leaves_whole_files_only(tmp_path, capsys, name):
    number = getattr(signal, name)
    code = f"""
        import os, signal, sys
        from mmerf.apis.terminal.command import run_command
        from mmerf.core.atomic_files import write_text, write_whole

        def write(file):
            file.write(b'half')
            os.kill(os.getpid(), {int(number)})
            file.write(b'more')

        def work(console):
            write_text('first', 'whole')
            write_whole('second', write)

        os.chdir(sys.argv[1])
        sys.exit(run_command(work))
    """
    done = python(code, str(tmp_path))
    assert done.returncode == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ['first']
    assert done.stderr.decode().splitlines()[-1] == (
        f'stopped by {name}; 1 file(s) were written, the last is first'
    )


def test_signals_are_handled_as_before_afterwards():
    for number in (signal.SIGTERM, signal.SIGHUP):
        before = signal.getsignal(number)
        assert run_command(lambda console: 0) == 0
        assert signal.getsignal(number) is before


def test_errors_are_one_line_whatever_they_hold(tmp_path, capsys):
    def fail(console):
        raise OSError('a\nb \x1b[0m' + 'x ' * 9000)

    assert run_command(fail) == 1
    line = capsys.readouterr().err
    assert line.startswith('error: a b \\x1b[0m') and len(line) < 2100
    assert line.count('\n') == 1


@pytest.mark.parametrize('encoding', ['utf-8:strict', 'ascii:strict'])
def test_file_names_that_are_no_text(tmp_path, encoding):
    folder = os.fsencode(tmp_path)
    name = os.fsdecode(folder + b'/run\xff.npz')
    ERFResult.from_map(np.ones((9, 9))).save(name)
    out = os.fsdecode(folder + b'/out\xfe.svg')
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/compare_erf.py'), name, name,
         '--names', os.fsdecode(b'a\xff'), 'b', '--out', out],
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path),
             'PYTHONIOENCODING': encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b'Traceback' not in done.stderr
    assert rb'a\udcff' in done.stdout and rb'out\udcfe.csv' in done.stdout
    files = sorted(os.listdir(folder))
    assert files == [
        b'out\xfe.areas.tex', b'out\xfe.csv', b'out\xfe.md',
        b'out\xfe.svg', b'out\xfe.tex', b'run\xff.npz',
    ]  # fmt: skip


def test_a_run_on_names_that_are_no_text(config, tmp_path, photos):
    """The config, an image, one that is damaged, and the out dir."""
    folder = os.fsencode(tmp_path)
    names = {key: os.fsdecode(folder + b'/' + key)
             for key in (b'c\xff.py', b'o\xff')}  # fmt: skip
    os.rename(config, names[b'c\xff.py'])
    inside = os.fsencode(photos)
    os.rename(photos / 'coffee.png', inside + b'/co\xff.png')
    Path(os.fsdecode(inside + b'/\x1b[31m\xff.png')).write_bytes(b'text')
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/erf.py'), names[b'c\xff.py'],
         '--img-dir', str(photos), '--out-dir', names[b'o\xff'],
         '--layers', 'backbone[0]', '--no-theory'],
        capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path),
             'PYTHONIOENCODING': 'utf-8:strict'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b'Traceback' not in done.stderr and b'\x1b' not in done.stdout
    assert rb'\x1b[31m\udcff.png: it is not an image' in done.stdout
    assert rb'o\udcff/erf.json' in done.stdout.replace(b'\n', b'')
    assert b'backbone[0].npz' in os.listdir(folder + b'/o\xff')


def test_old_parts_go_and_others_stay(tmp_path):
    old = tmp_path / '.writing-old.part'
    new = tmp_path / '.writing-new.part'
    other = tmp_path / 'writing.part'
    for path in (old, new, other):
        path.write_text('half')
    for path in (old, other):
        os.utime(path, (0, 0))
    write_whole(tmp_path / 'x', lambda file: file.write(b'whole'))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        '.writing-new.part', 'writing.part', 'x',
    ]  # fmt: skip


def test_texts_that_no_file_can_hold_are_written_out(tmp_path):
    path = write_text(tmp_path / 'x', 'a\udcffb')
    assert path.read_text() == r'a\udcffb'
