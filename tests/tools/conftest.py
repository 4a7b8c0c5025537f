"""A config on the small data, and the command without its process."""

import importlib.util
from pathlib import Path

import pytest
from helpers.mmseg_configs import config_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(data_root, tmp_path):
    path = tmp_path / 'small.py'
    config_of(data_root, tmp_path / 'work').dump(str(path))
    return path


def main_of(name):
    """A tool's main, without a process of its own."""
    spec = importlib.util.spec_from_file_location(
        f'_{name}', ROOT / f'tools/{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def erf():
    return main_of('erf')


@pytest.fixture
def compare():
    return main_of('compare_erf')
