"""Progress of a measurement on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeRemainingColumn,
)


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; plain lines elsewhere.

    Yields:
        callable: Call it with (images done, images in all) after each pass.
    """
    if not console.is_terminal:
        yield (
            lambda done, total: (
                console.print(f'{done}/{total} images')
                if done == total or done % max(total // 5, 1) == 0
                else None
            )
        )
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress('images', *columns, console=console) as bar:
        task = bar.add_task('images', total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
