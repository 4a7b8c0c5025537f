"""Forged checkpoints, loaded in a process: a crash of it is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.hostile_pickles import (
    FORGED,
    FORGED_BYTES,
    archive,
    array,
    dtype,
    forged,
    names,
    tensor,
    with_weights,
    written,
)

TESTS = Path(__file__).parents[3]


def load_all(cases, folder):
    """Outcomes by case, of a process that loads every file."""
    keys = list(cases)
    for number, key in enumerate(keys):
        (folder / f'{number:05d}.pth').write_bytes(cases[key])
    done = subprocess.run(
        [sys.executable, str(TESTS / 'helpers/load_forged.py'), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        timeout=600,
    )
    lines = done.stdout.splitlines()
    reached = keys[len(lines) - 1] if lines else 'the imports'
    assert done.returncode == 0, (done.returncode, reached, done.stderr[-900:])
    assert len(lines) == len(keys)
    return dict(zip(keys, (li.split(' ', 1)[1] for li in lines), strict=True))


READ = 'weight: '  # cases whose forged object is itself a weight
BESIDE = 'beside: '  # cases that also hold weights


@pytest.fixture(scope='module')
def outcomes(tmp_path_factory):
    """Of all cases, in one process."""
    cases = forged()
    cases |= {BESIDE + k: with_weights(v) for k, v in FORGED.items()}
    cases |= {
        READ + key: archive(written({'0.bias': value}))
        for key, value in FORGED.items()
    }
    cases['whole'] = with_weights([array(), dtype(), tensor()])
    cases['harmless'] = with_weights([tensor(), {'a': (1, 2.0, 'b', None)}])
    return load_all(cases, tmp_path_factory.mktemp('forged'))


def test_forged_files_are_a_line_each_and_make_nothing(outcomes):
    numbered = [key for key in outcomes if key[0].isdigit()]
    assert len(numbered) >= 1200
    assert {key.split(' ', 1)[1] for key in numbered} == set(names())
    for key, outcome in outcomes.items():
        assert outcome == 'loaded' or 'refused: its pickle' in outcome or (
            'hold' in outcome or 'is not a whole checkpoint' in outcome
        ), (key, outcome)  # fmt: skip
        assert outcome != 'loaded' or key not in (*numbered, *FORGED_BYTES)


def test_what_is_forged_beside_weights_is_refused(outcomes):
    loaded = {
        key.removeprefix(BESIDE)
        for key, outcome in outcomes.items()
        if outcome == 'loaded' and not key.startswith(READ)
    }
    # A dict's attributes are not read, nor a tensor that is no weight.
    unread = {'method of a dict', 'truth of 42'}
    unread |= {key for key in FORGED if 'tensor' in key or 'stride' in key}
    assert {'whole', 'harmless', 'method of a dict'} <= loaded
    assert loaded <= {'whole', 'harmless', *unread}
    for key in ('objects', 'objects by flags', 'fields', 'subarray',
                'wrong flags', 'object scalar', 'dtype of objects',
                'dtype of fields'):  # fmt: skip
        assert 'numpy.dtype' in outcomes[BESIDE + key]
        assert '--trust-checkpoint' in outcomes[BESIDE + key]


def test_no_weight_reaches_beyond_its_storage(outcomes):
    for key in FORGED:
        outcome = outcomes[READ + key]
        assert 'not a whole' in outcome or 'refused' in outcome or (
            'holds no weights' in outcome
        ), (key, outcome)  # fmt: skip
        if 'tensor' in key or 'stride' in key or 'truth' in key:
            assert 'not a whole' in outcome, (key, outcome)
    for key in ('tensor beyond its storage', 'tensor far ahead'):
        assert 'reaches beyond its storage' in outcomes[READ + key]


def test_a_small_file_does_not_fill_the_memory(outcomes):
    outcome = outcomes['text made again and again']
    assert 'it repeats its content' in outcome
