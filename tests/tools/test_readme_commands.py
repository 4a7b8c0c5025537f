"""The commands of README and how-tos, in one folder: every result stays."""

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of

from mmerf import ERFResult
from mmerf.__main__ import main as mmerf
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.visualization import ERFVisBackend

ROOT = Path(__file__).parents[2]
NAMES = {'compare_erf': 'compare', 'sweep_erf': 'sweep'}
SMALL = {
    'erf': ['--layers', 'backbone[1]', '--num-images', '1', '--no-theory'],
    'sweep': ['--layers', 'backbone[1]', '--num-images', '1', '--no-theory'],
    'context': ['--num-images', '1', '--sides', '9', '--targets', 'grid=2x2'],
    'tiles': ['--num-images', '1', '--windows', '16'],
}


PAGES = [
    'README.md',
    *(
        f'docs/how_to/{name}.md'
        for name in (
            'training',
            'command_line',
            'compare',
            'classes',
            'context',
        )
    ),
]


def commands():
    """(tool, arguments) of every command of the pages that measures, once."""
    seen = []
    for tool, words in _every_command():
        if (tool, words) not in seen:
            seen.append((tool, words))
    return seen


def _every_command():
    text = '\n'.join((ROOT / page).read_text() for page in PAGES)
    for block in re.findall(r'```bash\n(.*?)```', text, re.S):
        for line in block.replace('\\\n', ' ').splitlines():
            found = re.match(r'(?:python tools/(\w+)\.py|mmerf) (.*)', line)
            if found is None:
                continue
            words = shlex.split(found[2], comments=True)
            tool = found[1] or words.pop(0)
            tool = NAMES.get(tool, tool)
            if not {'--list-layers', '--module', '--img'} & {*words}:
                yield tool, words


def files(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.fixture
def place(data_root, photos, tmp_path, monkeypatch):
    """A folder with the files that the commands name."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / 'configs' / 'demo' / 'fcn_texture.py'
    config.parent.mkdir(parents=True)
    config_of(data_root, tmp_path / 'work').dump(str(config))
    model, _ = build_model(load_config(config))
    weights = tmp_path / 'work_dirs' / 'fcn_texture' / 'iter_160.pth'
    weights.parent.mkdir(parents=True)
    torch.save(model.state_dict(), weights)
    shutil.copy(weights, 'CHECKPOINT')
    shutil.move(photos, tmp_path / 'data' / 'texture' / 'photos')
    return tmp_path


def result(scale):
    y, x = np.mgrid[:32, :48]
    bell = np.exp(-((y - 16) ** 2 + (x - 24) ** 2) / scale)
    return ERFResult.from_map(bell, layer='decode_head')


def test_every_result_is_there_at_the_end(place, capsys):
    for run in ('RUN', 'RUN2'):
        backend = ERFVisBackend(save_dir=str(place / run))
        for step in (0, 8):
            backend.add_erf(result(20 + step), step)
    # networks of another size, and checkpoints that are measured first
    other = ('mmseg::', 'RUN_A/')
    every = [(t, w) for t, w in commands() if not w[0].startswith(other)]
    assert len(every) >= 9 and {t for t, _ in every} == {*SMALL, 'compare'}
    for tool, words in every:
        before = files(place)
        fixed = [re.sub(r'^(model\.\w+\.\w+=).*', '', word) for word in words]
        if fixed.count('RUN') == 2:
            fixed[fixed.index('RUN')] = 'RUN2'
        if tool == 'sweep':
            fixed = [w for w in fixed if w not in ('', '--vary')]
            fixed += ['--vary', 'model.decode_head.align_corners=True,False']
        small = SMALL.get(tool, [])
        if '--rank-attributions' in fixed:
            small = ['Luo', *(w for w in small if w not in ('--sides', '9'))]
        status = mmerf([tool, *fixed, *small])
        assert status == 0, (tool, words, capsys.readouterr().err)
        after = files(place)
        assert after.keys() > before.keys(), (tool, words)
        assert {k: after[k] for k in before} == before, (tool, words)
    results = place / 'work_dirs' / 'fcn_texture'
    assert {p.parent.name for p in results.glob('erf/*/erf.json')} == {
        'iter_160', 'init_photos', 'CHECKPOINT_by_class=label',
    }  # fmt: skip
    compared = ['before_after', 'compare', 'contours', 'linear', 'log10']
    tables = ('.areas.tex', '.csv', '.md', '.tex')
    assert {p.name for p in place.iterdir() if p.is_file()} == {
        'CHECKPOINT', 'compare.png', 'growth.png', 'training.pdf',
        *(f'{name}.pdf' for name in compared if name != 'compare'),
        *(f'{n}{t}' for n in (*compared, 'training') for t in tables),
    }  # fmt: skip


def test_a_comparison_without_a_name_leaves_the_folder_as_it_is(
    tmp_path, monkeypatch, capsys, compare
):
    monkeypatch.chdir(tmp_path)
    for name in ('a', 'b', 'c'):
        result(20).save(tmp_path / 'runs' / f'{name}.npz')
    runs = ['runs/a.npz', 'runs/b.npz']
    for _ in range(2):
        assert compare(runs) == 0
    assert {p.name for p in tmp_path.iterdir()} == {'runs', 'work_dirs'}
    assert 'replaces the earlier result' in capsys.readouterr().out
    assert compare(['runs/a.npz', 'runs/c.npz', '--names', 'a', 'b']) == 0
    found = Path('work_dirs/compare').glob('*/compare.*')
    names = [
        f'compare.{s}'
        for s in ('areas.tex', 'csv', 'json', 'md', 'png', 'tex')
    ]
    assert {path.as_posix() for path in found} == {
        f'work_dirs/compare/{folder}/{name}'
        for folder in ('a_b', 'a_b-2')
        for name in names
    }
