"""What is imported before it is needed: nothing that takes long."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import mmerf

ROOT = Path(__file__).parents[1]
SLOW = ('torch', 'mmengine', 'mmcv', 'mmseg', 'scipy', 'matplotlib', 'rich',
        'captum', 'skimage', 'PIL', 'torch._dynamo')  # fmt: skip
CONFIG = 'configs/demo/fcn_texture.py'


def imported(code, *arguments):
    """Exit status, error lines, and which of SLOW a fresh process imports."""
    report = f"""
        import atexit, sys
        atexit.register(lambda: print(
            'IMPORTED', *[n for n in {SLOW} if n in sys.modules]))
    """
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(report) + code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    *_, last = done.stdout.splitlines()
    assert last.startswith('IMPORTED'), done.stdout
    return done.returncode, done.stderr, set(last.split()[1:])


def run_tool(tool, *arguments):
    code = (
        'import runpy\n'
        'sys.argv = [sys.argv[1], *sys.argv[2:]]\n'
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    return imported(code, f'tools/{tool}.py', *arguments)


@pytest.mark.parametrize(
    ('code', 'expected'),
    [
        ('import mmerf', set()),
        ('import mmerf.apis, mmerf.plots', set()),
        ('from mmerf import ERFResult, Statistic', set()),
        ('from mmerf import measure_erf, Target, Attribution', {'torch'}),
        (
            'import torch; from mmerf import measure_erf\n'
            'net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))\n'
            'assert measure_erf(net, torch.rand(1, 3, 9, 9), ["0"])',
            {'torch'},
        ),
    ],
)
def test_a_program_without_openmmlab_imports_none_of_it(code, expected):
    status, errors, found = imported(code)
    assert (status, errors) == (0, '') and found == expected


@pytest.mark.parametrize(
    ('tool', 'arguments', 'expected'),
    [
        ('erf', ['--help'], {'torch'}),  # names of attributions
        ('sweep_erf', ['--help'], {'torch'}),
        ('tiles', ['--help'], set()),
        ('explore', ['--help'], set()),
        ('compare_erf', ['--help'], set()),
        ('questions', ['--help'], set()),
    ],
)
def test_help(tool, arguments, expected):
    assert run_tool(tool, *arguments) == (0, '', expected)


@pytest.mark.parametrize(
    ('arguments', 'status', 'text', 'expected'),
    [
        (['--nothing'], 2, 'unrecognized arguments: --nothing', set()),
        ([CONFIG, '--cfg-options', 'x'], 2, 'not KEY=VALUE', set()),
        ([CONFIG, '--amp', 'x'], 2, "invalid choice: 'x'", set()),
        ([CONFIG, '--attribution', 'x'], 2, 'InputGradient', {'torch'}),
        ([], 1, 'give a CONFIG, or a network', {'rich'}),
        (['missing.py'], 1, 'there is no config file', {'rich'}),
        (['mmseg::fcn/x.py'], 1, 'mmseg has no config', {'rich'}),
        ([CONFIG, '--cmap', 'x'], 1, 'no colour map', {'rich', 'matplotlib',
                                                       'PIL'}),
        ([CONFIG, '--target', 'x'], 1, "'x'", {'rich', 'matplotlib', 'PIL',
                                               'torch'}),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_told_before_anything_is_imported_for_it(
    arguments, status, text, expected
):
    done, errors, found = run_tool('erf', *arguments)
    assert done == status and text in errors.splitlines()[-1]
    assert 'Warning' not in errors
    assert found == expected


def test_results_are_compared_without_torch(tmp_path):
    squares = (np.arange(9) - 4.0) ** 2
    bell = np.exp(-(squares[:, None] + squares) / 6)
    for name in 'ab':
        mmerf.ERFResult(
            layer='0',
            map=bell,
            unit=(4, 4),
            unit_pixel=(4.0, 4.0),
            num_images=1,
        ).save(tmp_path / f'{name}.npz')
    status, errors, found = run_tool(
        'compare_erf',
        str(tmp_path / 'a.npz'),
        str(tmp_path / 'b.npz'),
        '--out',
        str(tmp_path / 'compare.png'),
    )
    assert (status, errors) == (0, '')
    assert (tmp_path / 'compare.png').is_file()
    assert found == {'scipy', 'matplotlib', 'rich', 'PIL'}


def test_the_command_is_as_light_as_its_tools():
    code = 'from mmerf.__main__ import main; sys.exit(main(sys.argv[1:]))'
    for arguments in (['--help'], ['compare', '--help']):
        assert imported(code, *arguments) == (0, '', set())
    status, errors, found = imported(code, 'erf', 'missing.py')
    assert errors == 'error: there is no config file missing.py\n'
    assert status == 1 and found == {'rich'}


def test_what_is_exported_is_there():
    import mmerf.apis
    import mmerf.plots

    for package in (mmerf, mmerf.apis, mmerf.plots):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match='no attribute'):
            package.no_such_name  # noqa: B018


@pytest.mark.parametrize('package', ['mmerf', 'mmerf.apis', 'mmerf.plots'])
def test_what_is_exported_is_listed_before_it_is_imported(package):
    code = (
        f'import {package} as package\n'
        'assert set(package.__all__) <= set(dir(package))\n'
    )
    assert imported(code) == (0, '', set())


def test_everything_that_plain_torch_needs_comes_at_once():
    code = (
        'from mmerf import *\n'
        'import inspect, mmerf, pickle\n'
        'assert ERFResult.__module__ == "mmerf.core.results.erf_result"\n'
        'assert pickle.loads(pickle.dumps(measure_erf)) is measure_erf\n'
        'assert dict(inspect.getmembers(mmerf))["Target"] is Target\n'
    )
    assert imported(code) == (0, '', {'torch'})


def test_of_mmcvs_warnings_the_one_about_its_operators_is_left_out():
    code = (
        'import warnings\n'
        'class Finder:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name == 'mmseg.registry':\n"
        "            warnings.warn('of another kind')\n"
        'sys.meta_path.insert(0, Finder())\n'
        'from mmerf.apis import run_erf\n'
    )
    status, errors, found = imported(code)
    assert status == 0 and 'mmseg' in found
    assert 'of another kind' in errors
    assert 'MultiScaleDeformableAttention' not in errors
