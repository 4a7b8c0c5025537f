import numpy as np
import pytest
import torch
from benchmarking import comparison, ways
from benchmarking.cases import CASES, Case, without_zero_weights
from benchmarking.hook_costs import hook_costs
from helpers.mmseg_configs import config_of
from torch import nn

from mmerf.core.errors import ConfigError


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
    )


@pytest.fixture
def case(monkeypatch):
    found = Case(small, (160, 200), ['0', '3'])
    monkeypatch.setitem(CASES, 'small', found)
    return found


def test_every_way_measures_the_same(case, tmp_path):
    maps, costs = {}, {}
    for way in ways.WAYS:
        path = tmp_path / f'{way}.npz'
        costs[way] = ways.run_way('small', way, 1, str(path))
        assert costs[way]['steady'] > 0 and costs[way]['peak_mb'] > 10
        if path.exists():
            with np.load(path) as file:
                maps[way] = dict(file)
    assert set(maps) == {'scripts', 'plain', 'full', 'windows', 'bfloat16'}
    for layer in case.layers:
        expected = maps['scripts'][layer]
        for way in ('plain', 'full', 'windows'):
            off = np.abs(maps[way][layer] - expected).max()
            assert off <= 1e-5 * expected.max()
    assert all('window' in w for w in costs['windows']['run_on'].values())
    assert costs['windows']['flops'] < costs['full']['flops'] / 10
    assert costs['bare']['flops'] == 2 * 80 * 100 * 9 * (3 * 8 + 8 * 8)
    comparison.add_differences(costs, maps)
    assert costs['windows']['against'] == 'plain'
    comparison.add_ratios(costs, [1, 50])
    plain, windows = costs['plain'], costs['windows']
    expected = (plain['once'] + 50 * plain['steady']) / (
        windows['once'] + 50 * windows['steady']
    )
    assert windows['over_plain'][50] == pytest.approx(expected)


def test_shares_of_the_time_and_what_is_patched_goes_back(case, tmp_path):
    before = torch.autograd.grad
    costs = ways.run_way('small', 'full', 2, str(tmp_path / 'x.npz'))
    assert torch.autograd.grad is before
    assert sum(costs['shares'].values()) == pytest.approx(1)
    assert all(share > 0 for share in costs['shares'].values())


def test_what_the_hook_costs_a_validation(data_root, tmp_path):
    path = tmp_path / 'small.py'
    config_of(data_root, tmp_path / 'work').dump(str(path))
    found = hook_costs(path, validations=1, num_images=2)
    assert found['images'] == 2 and found['plain'] > 0
    for name in ('without', 'with'):
        assert found[name]['first'] > 0 and found[name]['steady'] > 0
    cfg = config_of(tmp_path / 'nowhere', tmp_path / 'work')
    cfg.dump(str(path))
    with pytest.raises(ConfigError, match='make_demo_data'):
        hook_costs(path, validations=1)


def test_residual_branches_are_switched_on():
    norm = nn.BatchNorm2d(4)
    nn.init.zeros_(norm.weight)
    assert without_zero_weights(nn.Sequential(norm))[0].weight.min() > 0
