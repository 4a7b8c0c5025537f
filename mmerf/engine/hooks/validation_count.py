"""How many validations a training has run so far, also after resuming."""

from __future__ import annotations

from bisect import bisect
from typing import Any

from mmengine.runner import EpochBasedTrainLoop


def past_validations(loop: Any) -> int:
    """Validations that a training loop has run before it starts or resumes.

    Counted by the loop's own rule. A counter stored in the checkpoint would be
    one short: it is written before the validation of its iteration.

    Args:
        loop: A training loop of mmengine, before its first iteration.
    """
    if isinstance(loop, EpochBasedTrainLoop):
        now, last = loop.epoch, loop.max_epochs
    else:
        now, last = loop.iter, loop.max_iters
    milestones = getattr(loop, 'dynamic_milestones', None) or [0]
    every = getattr(loop, 'val_interval', 1)
    intervals = getattr(loop, 'dynamic_intervals', None) or [every]
    begin = max(getattr(loop, 'val_begin', 1), 1)
    count = 0
    for step in range(begin, now + 1):
        interval = intervals[max(bisect(milestones, step + 1) - 1, 0)]
        count += step % interval == 0 or step == last
    return count
