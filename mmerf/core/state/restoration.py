"""Give back what was changed, in one step that nothing ends early."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Callback = Callable[[], object]


def run_all(callbacks: list[Callback]) -> None:
    """Run every callback and empty the list, the last one first.

    Each runs whatever the others raise. One that Ctrl-C interrupts runs once
    more, so a callback must be one that can. Called again after an
    interruption, this goes on where it was.

    Args:
        callbacks (list of callable): Emptied.

    Raises:
        BaseException: KeyboardInterrupt if there was one, else the first
            exception, once all have run.

    Example:
        >>> def fails():
        ...     raise ValueError('not this one')
        >>> try:
        ...     run_all([lambda: print('and this one'), fails])
        ... except ValueError as error:
        ...     print(error)
        and this one
        not this one
    """
    failure: BaseException | None = None
    while callbacks:
        try:
            while callbacks:
                callbacks[-1]()
                callbacks.pop()
        except Exception as error:
            failure = failure or error
            callbacks.pop()
        except BaseException as error:  # Ctrl-C: this one once more
            failure = error
    if failure is not None:
        raise failure


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage inside, where thousands of objects are made.

    Each search looks at all objects of the process, and finds little here.
    """
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()
