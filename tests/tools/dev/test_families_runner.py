"""Ratios, records and maps of the families runner."""

import numpy as np
import pytest
import torch
from benchmarking import families
from benchmarking.clocks import planning_counted, timed
from benchmarking.family_results import append, load, ratio, summaries
from benchmarking.family_runs import worst_difference
from benchmarking.plain_way import plain_maps
from benchmarking.selective_scan import selective_scan
from torch import nn


def conv_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3)
    ).eval()


def record(name, plain, mmerf, **changes):
    (cell,) = families.cells(
        'mmseg', [name], [(8, 9)], [1], 'backbone', 'noise', len(plain)
    )
    return {
        **cell,
        'error': None,
        'plain': [{'cpu': s, 'wall': 1.0} for s in plain],
        'mmerf': [{'cpu': s, 'wall': 2.0} for s in mmerf],
        'planning': [{'cpu': 0.1, 'wall': 0.1} for _ in plain],
        'difference': 1e-6,
        'outputs': 2,
        'run_on': ['whole image'],
        **changes,
    }


def test_the_median_of_the_rounds_ratios_by_either_clock():
    found = record('a', [3.0, 2.0, 9.0], [1.0, 2.0, 1.0])
    assert ratio(found, 'cpu') == 3.0
    assert ratio(found, 'wall') == 0.5


def test_summary_names_the_worst_and_counts_losses():
    records = [
        record('slow', [1.0], [2.0]),
        record('fast', [4.0], [2.0]),
        record('even', [1.0], [1.0]),
        record('none', [1.0], [1.0], error='it does not run'),
    ]
    (line,) = summaries(records, 'cpu')
    assert line == (
        '8 x 9, 1 image(s): median 1.00, worst slow 0.50, even 1.00, '
        'fast 2.00; 1 of 3 below 0.95, 1 not run'
    )


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'made' / 'families.jsonl'
    done = record('a', [1.0], [1.0])
    append(path, done)
    with path.open('a') as file:
        file.write('{"kind": "mms')  # the run was stopped here
    asked = []

    def child(module, *args):
        asked.append(args)
        append(path, record('b', [2.0], [1.0]))

    monkeypatch.setattr(families, 'run_child', child)
    wanted = families.cells(
        'mmseg', ['a', 'b'], [(8, 9)], [1], 'backbone', 'noise', 1
    )
    records = families.run_cells(wanted, 'cpu', path)
    assert [r['name'] for r in records] == ['a', 'b'] and len(asked) == 1
    assert len(load(path)) == 2
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_process_that_ends_early_is_recorded(tmp_path, monkeypatch):
    class Ended:
        returncode, stderr = -9, 'Killed'

    monkeypatch.setattr(families, 'run_child', lambda *args: Ended)
    wanted = families.cells(
        'mmseg', ['a'], [(8, 9)], [1, 4], 'backbone', 'noise', 1
    )
    records = families.run_cells(wanted, 'cpu', tmp_path / 'x.jsonl')
    assert [r['error'] for r in records] == ['exit status -9 Killed'] * 2


def test_plain_maps_are_means_over_images_and_leave_no_trace():
    net = conv_net()
    batch = torch.rand(2, 3, 12, 12)

    def read(name, output):
        return {name: output}

    together = plain_maps(net, [batch], ['0'], read, net)['0']
    each = plain_maps(net, batch.split(1), ['0'], read, net)['0']
    np.testing.assert_allclose(together, each, rtol=1e-5)
    assert 'forward' not in vars(net[0])
    leaf = batch.clone().requires_grad_()
    torch.relu(net[0](leaf)[:, :, 6, 6]).sum().backward()
    np.testing.assert_allclose(
        together, leaf.grad.relu().sum(1).mean(0), atol=1e-6
    )


def test_maps_of_other_layers_are_not_compared():
    one = np.ones((2, 2))
    assert worst_difference({'a': 3 * one}, {'a': 2 * one}) == 0.5
    lost = {'a': one, 'b': np.full((2, 2), np.nan)}
    assert np.isnan(worst_difference(lost, {'a': one, 'b': one}))
    with pytest.raises(ValueError, match='only one of the ways measures b'):
        worst_difference({'a': one, 'b': one}, {'a': one})


def test_planning_is_a_part_of_the_time():
    from mmerf import measure_erf

    net = conv_net()
    with planning_counted() as spent:
        seconds, _ = timed(
            lambda: measure_erf(net, torch.rand(1, 3, 160, 160), ['0'])
        )
    assert 0 < spent['cpu'] < seconds['cpu']


def test_the_scan_is_the_recurrence():
    x, step = torch.rand(2, 1, 3, 5)
    write, read = torch.rand(2, 1, 3, 2, 5)
    decay = -torch.rand(3, 2)
    found = selective_scan(x, step, decay, write, read)
    for c in range(3):
        state = torch.zeros(2)
        for t in range(5):
            state = torch.exp(step[0, c, t] * decay[c]) * state
            state = state + step[0, c, t] * x[0, c, t] * write[0, c, :, t]
            assert found[0, c, t].item() == pytest.approx(
                float(state @ read[0, c, :, t]), rel=1e-5
            )
