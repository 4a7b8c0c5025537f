from types import SimpleNamespace

import pytest
from mmengine.runner import EpochBasedTrainLoop
from mmengine.runner.utils import calc_dynamic_intervals

from mmerf.engine.hooks.validation_count import past_validations


def ran(now, last, begin, interval, dynamic):
    """Validations as IterBasedTrainLoop.run would call them."""
    import bisect

    milestones, intervals = calc_dynamic_intervals(interval, dynamic)
    count, current = 0, interval
    for step in range(1, now + 1):
        current = intervals[bisect.bisect(milestones, step + 1) - 1]
        if step >= begin and (step % current == 0 or step == last):
            count += 1
    return count


@pytest.mark.parametrize('now', [0, 1, 4, 9, 10, 17, 20])
@pytest.mark.parametrize(
    ('begin', 'interval', 'dynamic'),
    [(1, 2, None), (5, 3, None), (1, 4, [(9, 1)]), (1, 7, [(5, 2), (12, 3)])],
)
def test_counts_as_the_loop_does(now, begin, interval, dynamic):
    milestones, intervals = calc_dynamic_intervals(interval, dynamic)
    loop = SimpleNamespace(
        iter=now,
        max_iters=17,
        val_begin=begin,
        val_interval=interval,
        dynamic_milestones=milestones,
        dynamic_intervals=intervals,
    )
    assert past_validations(loop) == ran(now, 17, begin, interval, dynamic)


def test_epochs_are_counted_by_epoch():
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    loop._epoch, loop._max_epochs, loop.val_begin = 5, 8, 2
    loop.val_interval, loop._iter = 2, 100
    loop.dynamic_milestones, loop.dynamic_intervals = [0], [2]
    assert past_validations(loop) == 2  # after epochs 2 and 4
