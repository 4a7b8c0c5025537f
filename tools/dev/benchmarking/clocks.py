"""Seconds on both clocks, and how many of them mmerf spends on planning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mmerf.core.folding import foldings
from mmerf.core.passes import execute

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
# What makes no map: the searches for windows, and the checks of shortcuts.
PLANNING = (
    (execute.Passes, '_plan'),
    (foldings, 'checked_folding'),
    (execute.Layout, 'disagrees'),
    (execute.PartialForwards, '_confirmed'),
)


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by clock of some work, and what it returned."""
    wait()
    began = {name: clock() for name, clock in CLOCKS.items()}
    found = work()
    wait()
    return {name: CLOCKS[name]() - t for name, t in began.items()}, found


def wait() -> None:
    """Until a GPU, if there is one, has done its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def planning_counted() -> Iterator[dict[str, float]]:
    """Seconds by clock that mmerf spends on ``PLANNING`` meanwhile."""
    spent = dict.fromkeys(CLOCKS, 0.0)
    inside = False  # one part of the planning may call another

    def counted(run: Callable) -> Callable:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return run(*args, **kwargs)
            inside = True
            try:
                seconds, found = timed(lambda: run(*args, **kwargs))
            finally:
                inside = False
            for name, value in seconds.items():
                spent[name] += value
            return found

        return wrapped

    before = [(owner, name, getattr(owner, name)) for owner, name in PLANNING]
    try:
        for owner, name, run in before:
            setattr(owner, name, counted(run))
        yield spent
    finally:
        for owner, name, run in before:
            setattr(owner, name, run)
