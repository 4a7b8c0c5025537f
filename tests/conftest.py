"""Fixtures: small models, small images, and a way to run them.

Nothing of OpenMMLab is imported until a fixture needs it: tests of pure NumPy
and torch run without it. One thread per process for every library, since
several test processes share the cores.
"""

import os

for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet_threads():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _every_shortcut(monkeypatch):
    """Take shortcuts of few and small images; tests of what pays do not."""
    from mmerf.core.gradient import worth
    from mmerf.core.shortcuts import budget
    from mmerf.core.windows import planner

    monkeypatch.setattr(budget, 'ENOUGH', 0)
    monkeypatch.setattr(budget, 'ENOUGH_WORK', 0)
    monkeypatch.setattr(budget, 'WORK_TO_RECORD', 0)
    monkeypatch.setattr(planner, 'WORTH_FOR_ALL', 0.95)
    monkeypatch.setattr(worth, 'LARGE_GRADIENT', 0)
    monkeypatch.setattr(worth, 'LARGE_SHARE', 0.0)


@pytest.fixture
def as_few(monkeypatch, _every_shortcut):
    """Run images as few are run: one forward each, and no other."""
    from mmerf.core.shortcuts import budget

    monkeypatch.setattr(budget, 'ENOUGH', 10**12)
    monkeypatch.setattr(budget, 'REPEATS', 10**12)


@pytest.fixture
def fcn():
    from helpers.mmseg_configs import FCN, build

    return build(FCN)


@pytest.fixture
def segformer():
    from helpers.mmseg_configs import SEGFORMER, build

    return build(SEGFORMER)


@pytest.fixture(scope='session')
def data_root(tmp_path_factory):
    """Eight training and five validation images, 32 x 48."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 5)):
        for kind in ('img_dir', 'ann_dir'):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            image = rng.integers(0, 256, (32, 48, 3), np.uint8)
            labels = np.zeros((32, 48), np.uint8)
            labels[:, 24:] = 1
            for kind, array in (('img_dir', image), ('ann_dir', labels)):
                Image.fromarray(array).save(root / kind / split / f'{i}.png')
    return root


@pytest.fixture
def make_runner(data_root, tmp_path):
    """Build a Runner on the small data; each call gets a work dir."""
    from helpers.mmseg_configs import config_of
    from mmengine.runner import Runner

    made = []

    def make(hooks=(), **changes):
        work_dir = tmp_path / f'run{len(made)}_{tmp_path.name}'
        cfg = config_of(data_root, work_dir, hooks=hooks, **changes)
        cfg.experiment_name = f'{tmp_path}-{len(made)}'
        made.append(Runner.from_cfg(cfg))
        return made[-1]

    return make


@pytest.fixture
def photos(tmp_path):
    """A folder of three small photographs from scikit-image."""
    from skimage import data

    folder = tmp_path / 'photos'
    folder.mkdir()
    for name in ('astronaut', 'chelsea', 'coffee'):
        picture = Image.fromarray(getattr(data, name)()).resize((48, 32))
        picture.save(folder / f'{name}.png')
    return folder
