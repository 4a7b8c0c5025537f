"""A user's own target and attribution: by registered name, by import path."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmerf import ERFResult, measure_erf
from mmerf.apis.erf import run_erf
from mmerf.core.attributions import InputGradient
from mmerf.core.errors import ConfigError
from mmerf.core.targets import CentreUnit
from mmerf.engine import (
    ERF_ATTRIBUTIONS,
    ERF_STATISTICS,
    ERF_TARGETS,
    ERFHook,
)
from mmerf.engine.registry import resolve_registered

ERF = dict(type='ERFHook', layers=['backbone[1]'], num_images=3,
           on_error='raise')  # fmt: skip
MODULE = """
import torch
from mmerf.core.attributions import InputGradient
from mmerf.core.targets import Target
from mmerf.engine import ERF_ATTRIBUTIONS, ERF_TARGETS


@ERF_TARGETS.register_module()
class Corner(Target):
    definition = 'square of a channel at unit (1, 2)'

    def __init__(self, channel=0):
        self.channel = channel

    def unit(self, grid):
        return 1, 2

    def __call__(self, output, context):
        return output[:, self.channel, 1, 2] ** 2


@ERF_ATTRIBUTIONS.register_module(name='Plain')
class MyGradient(InputGradient):
    pass


@ERF_TARGETS.register_module()
def made_by_a_function(channel):
    return Corner(channel)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's own, as ``custom_imports`` finds it."""
    (tmp_path / 'own_erf_parts.py').write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for registry in (ERF_TARGETS, ERF_ATTRIBUTIONS):
        kept = dict(registry.module_dict)
        monkeypatch.setattr(registry, '_module_dict', kept)
    yield 'own_erf_parts'
    sys.modules.pop('own_erf_parts', None)


def config(data_root, tmp_path, name, hooks=()):
    """A config whose custom_imports are really imported, as from a file."""
    from helpers.mmseg_configs import config_of
    from mmengine.config import Config

    work_dir = tmp_path / f'run_{tmp_path.name}'
    cfg = config_of(data_root, work_dir, hooks=hooks)
    cfg.custom_imports = dict(imports=['mmerf', name])
    path = work_dir.with_suffix('.py')
    cfg.dump(path)
    cfg = Config.fromfile(path)
    cfg.experiment_name = str(work_dir)
    return cfg


@pytest.mark.parametrize(
    ('target', 'attribution'),
    [
        (dict(type='Corner', channel=3), 'Plain'),
        (dict(type='mmseg.Corner', channel=3), dict(type='Plain')),
        (dict(type='own_erf_parts.Corner', channel=3), None),
        (
            dict(type='made_by_a_function', channel=3),
            'own_erf_parts.MyGradient',
        ),
    ],
)
def test_the_hook_measures_what_measure_erf_does(
    target, attribution, own, data_root, tmp_path
):
    from mmengine.runner import Runner

    hook = {**ERF, 'target': target, 'attribution': attribution}
    runner = Runner.from_cfg(config(data_root, tmp_path, own, [hook]))
    runner.val()
    path = Path(runner.log_dir, 'vis_data/erf/0/backbone[1].npz')
    found = ERFResult.load(path)
    images = torch.cat(
        [
            runner.model.data_preprocessor(batch, False)['inputs']
            for batch in runner.val_dataloader
        ]
    )[[0, 1, 3]]  # floor(k 5 / 3)
    from own_erf_parts import Corner

    expected = measure_erf(
        runner.model, images, ['backbone[1]'], target=Corner(channel=3)
    )['backbone[1]']
    assert expected.map.max() > 0
    difference = np.abs(found.map - expected.map).max()
    assert difference <= 1e-6 * expected.map.max()
    assert found.unit == expected.unit == (1, 2)
    assert found.definition['score'] == Corner.definition


def test_run_erf_takes_registered_names_and_import_paths(
    own, data_root, tmp_path
):
    cfg = config(data_root, tmp_path, own)
    by_name, by_path = (
        run_erf(
            cfg,
            layers=['backbone[1]'],
            num_images=2,
            device='cpu',
            theory=False,
            target=dict(type=target, channel=3),
            attribution=attribution,
        ).results['backbone[1]']
        for target, attribution in (
            ('Corner', 'Plain'),
            ('own_erf_parts.Corner', 'own_erf_parts.MyGradient'),
        )
    )
    assert by_name.map.max() > 0 and by_name.unit == (1, 2)
    np.testing.assert_array_equal(by_name.map, by_path.map)


@pytest.mark.parametrize(
    ('setting', 'known'),
    [('target', 'CentreUnit, .*Corner'), ('attribution', 'GradCAM, .*Plain')],
)
def test_an_unknown_name_is_one_line_with_the_known_ones(
    setting, known, own, make_runner
):
    __import__(own)
    runner = make_runner([{**ERF, setting: dict(type='Cornr')}])
    with pytest.raises(
        ConfigError, match=f"unknown {setting} 'Cornr'.*{known}"
    ) as caught:
        runner.train()
    assert '\n' not in str(caught.value) and runner.iter == 0
    with pytest.raises(ConfigError, match=f"unknown {setting} 'Cornr'"):
        run_erf(runner.cfg, **{setting: 'Cornr'})


def test_a_name_of_mmerf_cannot_be_registered_for_another_class(own):
    ERF_TARGETS.register_module(name='CentreUnit', module=CentreUnit)
    with pytest.raises(ConfigError, match='register yours by another name'):
        resolve_registered('CentreUnit', ERF_TARGETS)


def test_all_but_registered_names_stays_as_it_is(own):
    __import__(own)
    given = [
        None,
        'CentreUnit',
        dict(type='Unit', y=1, x=2),
        'package.name',
        dict(type=CentreUnit),
        CentreUnit(),
        dict(type=7),
    ]
    for one in given:
        assert resolve_registered(one, ERF_TARGETS) is one
    several = resolve_registered([*given, 'Corner'], ERF_TARGETS)
    assert several[:-1] == given
    assert several[-1]['type'].__name__ == 'Corner'
    method = InputGradient()
    assert resolve_registered(method, ERF_ATTRIBUTIONS) is method


def test_registries_stand_in_mmsegs_scope():
    for registry in (ERF_TARGETS, ERF_ATTRIBUTIONS, ERF_STATISTICS):
        assert registry.scope == 'mmseg'


def test_a_statistic_by_an_unknown_name_is_one_line():
    with pytest.raises(ConfigError, match='unknown statistic') as caught:
        ERFHook(statistics=['NoSuch'])
    assert '\n' not in str(caught.value)


def test_a_statistic_by_its_registered_name(monkeypatch):
    from mmerf.core.statistics import STATISTICS, Statistic

    class Registered(Statistic):
        name = 'registered'

        def compute(self, map_hw, center_yx, context):
            return {}

    monkeypatch.setitem(ERF_STATISTICS.module_dict, 'Registered', Registered)
    monkeypatch.setitem(STATISTICS, 'registered', Registered())
    ERFHook(statistics=['Registered'])
    assert isinstance(STATISTICS['registered'], Registered)
