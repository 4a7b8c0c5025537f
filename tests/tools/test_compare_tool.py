import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import build
from mmengine.config import Config
from PIL import Image

from mmerf import ERFResult
from mmerf.apis import run_erf
from mmerf.visualization import ERFVisBackend

ROOT = Path(__file__).parents[2]


@pytest.fixture
def vis_data(tmp_path):
    backend = ERFVisBackend(save_dir=str(tmp_path / 'run' / 'vis_data'))
    y, x = np.mgrid[:30, :40]
    for step in (0, 8):
        far = np.maximum(abs(y - 15), abs(x - 20)) * 2.0
        map_hw = np.exp(-far / (1 + step))
        backend.add_erf(ERFResult.from_map(map_hw, layer='a'), step)
    return backend.folder


def test_before_and_after_a_training(vis_data, tmp_path, capsys, compare):
    out = tmp_path / 'x' / 'compare.svg'
    runs = [f'{vis_data}@0', str(vis_data), str(vis_data / '8' / 'a.npz')]
    names = ['before', 'after', 'again']
    assert compare([*runs, '--names', *names, '--out', str(out)]) == 0
    printed = capsys.readouterr().out
    rows = list(csv.DictReader(out.with_suffix('.csv').open()))
    assert [row['run'] for row in rows] == names
    assert rows[1]['side_0.5'] == rows[2]['side_0.5'] != rows[0]['side_0.5']
    for row, spec in zip(rows, ('0', '8', '8'), strict=True):
        result = ERFResult.load(vis_data / spec / 'a.npz')
        square = result.statistics()['centred_square']['0.99']
        assert int(row['side_0.99']) == square['side']
    for name in ('svg', 'md', 'csv', 'tex'):
        assert out.with_suffix(f'.{name}').is_file()
        assert f'compare.{name}' in printed
    assert 'before' in printed
    assert '50 % side (px)' in out.with_suffix('.md').read_text()


def test_layouts_in_a_folder_of_their_own(
    vis_data, tmp_path, monkeypatch, compare
):
    monkeypatch.chdir(tmp_path)
    args = [str(vis_data), '--contours', '--colorbars', 'each']
    assert compare([*args, '--layout', 'before-after']) == 0
    assert compare([*args, '--layout', 'columns']) == 0
    assert compare([*args, '--layout', 'rows']) == 0  # in the same one
    first, second = sorted(Path('work_dirs/compare').iterdir())
    table = (first / 'compare.areas.tex').read_text()
    rows = list(csv.DictReader((first / 'compare.csv').open()))
    for state, row, step in zip(('before', 'after'), rows, '08', strict=True):
        found = ERFResult.load(vis_data / step / 'a.npz').statistics()
        assert row['run'].endswith(f', {state} training')
        assert f', {state} training & ' in table
        for name in ('centred_square', 'replknet'):
            ratio = found[name]['0.5']['area_ratio']
            prefix = 'replknet_' * (name == 'replknet')
            assert float(row[f'{prefix}area_ratio_0.5']) == ratio
    assert len(list(csv.DictReader((second / 'compare.csv').open()))) == 1


def test_checkpoints_become_one_pdf_of_a_column(
    config, tmp_path, monkeypatch, capsys, compare
):
    """A paper's figure from files of weights, by one command."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        model = build(Config.fromfile(config).model, seed)
        folder = tmp_path / f'training_{seed}'
        folder.mkdir()
        torch.save({'state_dict': model.state_dict()}, folder / 'iter_8.pth')
        shutil.copy(config, folder / 'small.py')
    runs = [f'training_{seed}/iter_8.pth' for seed in (0, 1)]
    args = [*runs, '--layers', 'backbone[0]', '--num-images', '2']
    args += ['--width', 'column', '--style', 'paper', '--out', 'f.pdf']
    assert compare(args) == 0
    assert Path('f.pdf').read_bytes().startswith(b'%PDF')
    printed = capsys.readouterr().out.replace('\n', ' ')
    assert f'measuring {runs[1]} with training_1/small.py' in printed
    rows = list(csv.DictReader(Path('f.csv').read_text().splitlines()))
    expected = run_erf(
        str(config), runs[1], layers=['backbone[0]'], num_images=2,
        theory=False,
    ).results['backbone[0]'].statistics()['centred_square']  # fmt: skip
    assert [row['run'] for row in rows] == ['training_0', 'training_1']
    assert int(rows[1]['side_0.99']) == expected['0.99']['side']


def test_growth_as_an_animation(vis_data, tmp_path, compare):
    out = tmp_path / 'growth.gif'
    assert compare([str(vis_data), '--growth', '--out', str(out)]) == 0
    with Image.open(out) as film:
        assert film.n_frames == 2
    out = tmp_path / 'compare.gif'  # without --growth
    assert compare([str(vis_data), '--out', str(out)]) == 1
    assert not out.exists()


def test_growth(vis_data, tmp_path, capsys, compare):
    out = tmp_path / 'growth.png'
    assert compare([str(vis_data), '--growth', '--out', str(out)]) == 0
    assert out.read_bytes().startswith(b'\x89PNG')
    assert 'growth.png' in capsys.readouterr().out


def test_definitions_are_not_mixed_without_force(
    vis_data, tmp_path, capsys, compare
):
    other = ERFResult(map=np.ones((30, 40)), layer='a',
                      definition={'score': 'another'})  # fmt: skip
    other.save(tmp_path / 'other.npz')
    args = [str(vis_data), str(tmp_path / 'other.npz')]
    args += ['--out', str(tmp_path / 'o.png')]
    assert compare(args) == 1
    err = capsys.readouterr().err
    assert 'not comparable' in err and err.count('\n') == 1
    assert not (tmp_path / 'o.png').exists()
    assert compare([*args, '--force']) == 0


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['nothing'], 'there is no run nothing'),
        (['RUN@3'], 'has no step 3'),
        (['RUN', '--layers', 'b'], 'they have a'),
        (['RUN', '--names', 'x', 'y'], '2 name(s) for 1 run(s)'),
        (['RUN', '--out', 'x.bmp'], '.png, .pdf or .svg'),
        (['RUN', '--cmap', 'nothing'], 'no colour map'),
        (['RUN', '--title', r'$\nothing$'], 'no formula'),
        (['RUN', '--growth', '--title', r'$\nothing$'], 'no formula'),
        (['RUN', '--growth', '--layers', 'b'], 'they have a'),
        (['RUN/8/a.npz', '--growth'], 'give the erf folder'),
        (
            ['RUN@8', '--growth'],
            'RUN@8 is a single step or result, not a training',
        ),
        (['RUN', 'RUN', '--growth'], 'same name'),
        (['RUN', '--out', 'run/vis_data/erf/8/a.png/x.png'], 'a.png'),
        (['RUN', 'RUN@0', '--layout', 'before-after'], 'trainings alone'),
        (['RUN@0', '--layout', 'before-after'], '1 single result(s) are not'),
        (
            ['RUN', '--growth', '--layout', 'rows'],
            'leave it out with --growth',
        ),
    ],
)
def test_what_the_user_can_mend(
    vis_data, tmp_path, monkeypatch, capsys, compare, args, message
):
    monkeypatch.chdir(tmp_path)
    args = [arg.replace('RUN', str(vis_data)) for arg in args]
    assert compare(args) == 1
    err = capsys.readouterr().err
    message = message.replace('RUN', str(vis_data))
    assert err.startswith('error: ') and message in err
    assert err.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['run']


@pytest.mark.parametrize('name', ['a.npz', 'erf.jsonl'])
def test_a_damaged_run_is_one_line(vis_data, capsys, compare, name):
    if name == 'a.npz':
        meta = np.array('[' * 100000)
        np.savez(vis_data / '8' / name, map=np.ones((3, 3)), meta=meta)
    else:
        (vis_data / name).write_bytes(b'\xff')
    assert compare([str(vis_data)]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and name in err
    assert err.count('\n') == 1


def test_without_a_display_and_whatever_the_backend(vis_data, tmp_path):
    """Also where pyplot would open windows: pyplot is not used."""
    env = {k: v for k, v in os.environ.items() if 'DISPLAY' not in k}
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/compare_erf.py'), str(vis_data),
         '--out', str(tmp_path / 'c.png')],
        capture_output=True,
        text=True,
        env={**env, 'MPLBACKEND': 'TkAgg'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'c.png').is_file()
