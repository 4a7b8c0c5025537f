import shutil

import numpy as np
import pytest

from mmerf.apis.compare.read_runs import (
    find_folder,
    read_history,
    read_run,
    run_names,
)
from mmerf.core.errors import ConfigError, ResultError


def test_an_out_dir_in_the_order_of_its_layers(out_dir, make_result):
    run = read_run(out_dir)
    assert list(run) == ['late[1]', 'early']
    np.testing.assert_array_equal(run['early'].map, make_result('early').map)
    assert list(read_run(out_dir.parent)) == list(run)


def test_a_training_last_step_or_any(training, make_result):
    last, first = read_run(training), read_run(f'{training}@0')
    assert list(last) == ['late[1]', 'early']
    for run, sigma in ((last, 9), (first, 4)):
        expected = make_result('late[1]', sigma).map
        np.testing.assert_array_equal(run['late[1]'].map, expected)
    for folder in (training.parent, training.parents[1]):
        assert list(read_run(f'{folder}@20')) == list(last)
    with pytest.raises(ConfigError, match='no step 7; it has 0, 20, 100'):
        read_run(f'{training}@7')


def test_one_npz(out_dir):
    path = out_dir / 'late[1].npz'
    assert list(read_run(path)) == ['late[1]']
    strange = out_dir / 'a@3'
    shutil.copytree(out_dir, strange)
    assert list(read_run(strange)) == ['late[1]', 'early']


def test_a_history_by_step(training):
    history = read_history(training)
    assert [r['step'] for r in history] == [0, 0, 20, 20, 100, 100]
    side = history[-2]['statistics']['centred_square']['0.5']['side']
    found = read_run(training)['late[1]'].statistics()
    assert side == found['centred_square']['0.5']['side']


def test_what_is_no_run_says_what_would_be(tmp_path, out_dir, training):
    def refused(message, read, spec, error=ConfigError):
        with pytest.raises(error, match=message) as caught:
            read(spec)
        assert '\n' not in str(caught.value)

    refused('there is no run', read_run, tmp_path / 'nothing')
    refused('give one of .*vis_data/erf', find_folder, tmp_path / 'work')
    refused('neither erf.json', find_folder, training / '0')
    refused('not a run', read_run, out_dir / 'erf.json')
    refused('no steps', read_run, f'{out_dir}@3')
    refused('no steps', read_run, f'{out_dir}/early.npz@3')
    whole = 'is a single step or result, not a training; give the erf folder'
    for spec in (out_dir, out_dir / 'early.npz', f'{training}@20'):
        refused(whole, read_history, spec)
    refused('there is no run', read_history, training / 'nothing')
    (out_dir / 'erf.json').write_text('{"layers": ')
    refused('damaged', read_run, out_dir, ResultError)
    (training / 'erf.jsonl').write_text('{"step": 3}\n')
    refused('damaged', read_run, training, ResultError)
    for line in (
        b'\xff',
        b'[' * 100000,
        b'5',
        b'{"step": Infinity, "layer": "a", "statistics": {}}',
        b'{"step": "3", "layer": "a", "statistics": {}}',
        b'{"step": 3, "layer": 5, "statistics": {}}',
        b'{"step": 3, "layer": "a", "statistics": 5}',
    ):
        (training / 'erf.jsonl').write_bytes(line)
        refused('damaged', read_history, training, ResultError)
    (out_dir / 'erf.json').write_text('[' * 100000)
    refused('damaged', read_run, out_dir, ResultError)
    (training / 'erf.jsonl').write_text('')
    refused('holds no measurement', read_history, training, ResultError)
    (out_dir / 'early.npz').write_bytes(b'no zip')
    refused('not a whole ERF', read_run, out_dir / 'early.npz', ResultError)


def test_names_tell_runs_apart(out_dir, training):
    assert run_names([out_dir, f'{training}@20']) == ['net', 'net, step 20']
    assert run_names([out_dir, training]) == [str(out_dir), str(training)]
    assert run_names(['x/layer4.npz', 'y']) == ['layer4', 'y']
    assert run_names(['.']) == ['.']
