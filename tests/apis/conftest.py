"""Folders as runs leave them, without running a model."""

import shutil

import pytest
from helpers.figure_probe import gaussian

from mmerf import ERFResult
from mmerf.apis import ERFRun
from mmerf.apis.write_outputs import write_report
from mmerf.visualization import ERFVisBackend


def result(layer='a', sigma=5.0, shape=(40, 60), center=(20, 30)):
    return ERFResult.from_map(
        gaussian(*shape, sigma, center), center, layer=layer
    )


@pytest.fixture
def make_result():
    return result


@pytest.fixture(scope='session')
def _written(tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    layers = ('late[1]', 'early')
    write_report(ERFRun({la: result(la) for la in layers}), root / 'out')
    backend = ERFVisBackend(save_dir=str(root / 'vis_data'))
    for step in (0, 100, 20):
        for layer, sigma in (('late[1]', 4 + step / 20), ('early', 3)):
            backend.add_erf(result(layer, sigma), step)
    return root


@pytest.fixture
def out_dir(_written, tmp_path):
    """What tools/erf.py writes, its layers in no alphabetical order."""
    folder = tmp_path / 'work' / 'net' / 'erf'
    return shutil.copytree(_written / 'out', folder)


@pytest.fixture
def training(_written, tmp_path):
    """What ERFVisBackend keeps of three validations."""
    folder = tmp_path / 'work' / 'net' / '20250101_000000' / 'vis_data'
    return shutil.copytree(_written / 'vis_data', folder) / 'erf'
