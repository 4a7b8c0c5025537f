import shutil
from dataclasses import replace

import numpy as np
import pytest

from mmerf.apis.compare.before_after import before_after
from mmerf.apis.compare.comparison import write_comparison
from mmerf.apis.compare.read_runs import read_run
from mmerf.core.errors import ConfigError
from mmerf.plots import normalize


def test_trainings_show_their_first_and_last_step(training, tmp_path):
    other = shutil.copytree(training, tmp_path / 'other' / 'erf')
    found = before_after([training, other], layers=['late[1]'])
    assert list(found.pairs) == ['net', 'other']
    for before, after in found.pairs.values():
        for result, step in ((before, 0), (after, 100)):
            stored = read_run(f'{training}@{step}')['late[1]']
            np.testing.assert_array_equal(result.map, stored.map)
    rows = found.rows()
    assert [row['run'] for row in rows] == [
        f'{name}, {state} training'
        for name in ('net', 'other')
        for state in ('before', 'after')
    ]
    assert rows[0]['side_0.5'] != rows[1]['side_0.5']


def test_single_results_are_pairs_in_turn(training, out_dir, tmp_path):
    specs = [f'{training}@20', f'{training}@100', out_dir, f'{training}@0']
    found = before_after(specs, names=['a', 'b'], layers=['early'])
    assert found.states == ('before', 'after')  # of what, nobody has said
    figure = found.draw()
    panels = [ax for ax in figure.axes if ax.get_images()]
    assert [ax.get_title() for ax in panels] == ['a', 'b', '', '']
    assert [ax.get_ylabel() for ax in panels] == ['before', '', 'after', '']
    order = [specs[0], specs[2], specs[1], specs[3]]  # models across
    for ax, spec in zip(panels, order, strict=True):
        expected = normalize(read_run(spec)['early'].map)
        np.testing.assert_allclose(ax.get_images()[0].get_array(), expected)
    files = write_comparison(found, tmp_path / 'pairs.svg')
    assert 'a, before' in files[1].read_text()


def test_models_may_name_their_layer_differently(make_result):
    runs = {'a': make_result('x'), 'b': make_result('y')}
    found = before_after(
        ['a', 'a', 'b', 'b'],
        names=['one', 'two'],
        read=lambda spec: {runs[spec].layer: runs[spec]},
    )
    assert [pair[0].layer for pair in found.pairs.values()] == ['x', 'y']


@pytest.mark.parametrize(
    ('specs', 'options', 'message'),
    [
        (['T'], {}, 'net has late[1], early; choose one with --layers'),
        (['T', 'T@0'], dict(layers=['early']), 'takes trainings alone'),
        (['T@0', 'T@20', 'T@0'], {}, '3 single result(s) are not before and'),
        (['T'], dict(layers=['no']), 'they have late[1], early'),
        (['T'], dict(layers=['early'], names=['a', 'b']), '2 name(s) for 1'),
        (['nothing', 'T@0'], {}, 'there is no run nothing'),
        (['T@0', 'T@7'], {}, 'no step 7'),
    ],
)
def test_what_cannot_be_arranged(training, specs, options, message):
    specs = [spec.replace('T', str(training)) for spec in specs]
    with pytest.raises(ConfigError) as caught:
        before_after(specs, **options)
    assert message in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ([0], 'measured at step 0 alone'),
        ([20, 100], 'first measured at step 20, not before training'),
    ],
)
def test_a_training_without_a_before(training, steps, message):
    file = training / 'erf.jsonl'
    lines = file.read_text().splitlines()
    kept = [
        line for line in lines
        if any(f'"step": {step},' in line for step in steps)
    ]  # fmt: skip
    assert 0 < len(kept) < len(lines)
    file.write_text('\n'.join(kept))
    with pytest.raises(ConfigError, match=message):
        before_after([training], layers=['early'])


def test_another_layer_or_definition_is_no_after(make_result):
    first = make_result('x')
    for after, message in (
        ({'y': make_result('y')}, 'has x before and y after'),
        ({'x': replace(first, definition={'score': 's'})}, 'score is'),
    ):
        runs = {'a': {'x': first}, 'b': after}
        with pytest.raises(ConfigError, match=message):
            before_after(['a', 'b'], read=runs.get)
    runs = {'a': {'x': first}, 'b': {'y': make_result('y')}}
    with pytest.raises(ConfigError, match='no layer x after; it has y'):
        before_after(['a', 'b'], layers=['x'], read=runs.get)
