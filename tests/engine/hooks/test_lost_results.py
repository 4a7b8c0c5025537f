"""A run that measures nothing, or keeps nothing, says so before it trains."""

from pathlib import Path

import pytest
from helpers.plain_runner import plain_runner

NO_VALIDATION = dict(val_dataloader=None, val_cfg=None, val_evaluator=None)
NO_BACKEND = dict(visualizer=dict(type='Visualizer'))
HOOK = dict(type='ERFHook', layers=['backbone.0'], num_images=1)
OTHER = {**HOOK, 'layers': ['backbone.2']}
NOTHING = 'nothing will be measured in this training'
NOWHERE = 'no map and no figure will be kept'


@pytest.mark.parametrize('hooks', [[HOOK], [HOOK, OTHER]], ids=len)
@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({}, []),
        (NO_VALIDATION, [NOTHING]),
        (NO_BACKEND, [NOWHERE]),
        ({**NO_VALIDATION, **NO_BACKEND}, [NOWHERE, NOTHING]),
    ],
)
def test_one_warning_before_training(changes, said, hooks, tmp_path):
    runner = plain_runner(tmp_path, custom_hooks=hooks, **changes)
    runner.train()
    (log,) = Path(runner.log_dir).glob('*.log')
    lines = log.read_text().splitlines()
    warnings = [line for line in lines if ' - WARNING - ERFHook: ' in line]
    assert len(warnings) == len(said)
    for line, what in zip(warnings, said, strict=True):
        assert f'ERFHook: {what}: ' in line
        assert line.endswith('; the run goes on')
    begun = [i for i, line in enumerate(lines) if 'Iter(train)' in line]
    assert begun, lines[-1]
    assert all(lines.index(line) < begun[0] for line in warnings)


def test_a_test_without_backends_says_so_too(tmp_path):
    runner = plain_runner(
        tmp_path,
        custom_hooks=[HOOK],
        test_dataloader=dict(
            batch_size=2,
            dataset=dict(type='PlainImages'),
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        test_evaluator=dict(type='NoMetric'),
        test_cfg=dict(type='TestLoop'),
        **NO_BACKEND,
    )
    runner.test()
    (log,) = Path(runner.log_dir).glob('*.log')
    text = log.read_text()
    assert text.count(NOWHERE) == 1 and NOTHING not in text
