"""Run a tool's work: its terminal, its errors of one line, its signals."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.atomic_files import recorded_files
from ...core.errors import ERFError, printable, shortened
from .launch import is_main

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST_ERROR = 2000  # characters of the line
_WIDTH_PIPED = 100  # columns where the output is no terminal


class _StoppedError(BaseException):
    """The process was asked to end; ``args[0]`` is the signal's number."""


def parsed(
    parser: argparse.ArgumentParser, argv: list[str] | None
) -> argparse.Namespace:
    """The options of a command line; Ctrl-C ends the process in one line."""
    try:
        return parser.parse_args(argv)
    except KeyboardInterrupt:  # options may import what they are checked by
        print('interrupted; nothing was written', file=sys.stderr)
        sys.exit(130)


def run_command(work: Callable[[Console], int]) -> int:
    """Do a tool's work, and report in one line what stops it.

    Args:
        work (callable): Gets the console for its output; returns the exit
            status.

    Returns:
        int: Its exit status; 1 for an error that the user can mend, 130
        after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    warnings.filterwarnings('ignore')  # other packages' warnings
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):  # names that it cannot encode
            stream.reconfigure(errors='backslashreplace')
    with recorded_files() as files, _raised_signals():
        try:
            return work(_console())
        except (ERFError, OSError) as error:
            if is_main():
                text = printable(' '.join(str(error).split()))
                print(
                    f'error: {shortened(text, _LONGEST_ERROR)}',
                    file=sys.stderr,
                )
            return 1
        except KeyboardInterrupt:
            print(f'interrupted; {_written(files)}', file=sys.stderr)
            return 130
        except _StoppedError as error:
            number = error.args[0]
            name = signal.Signals(number).name
            print(f'stopped by {name}; {_written(files)}', file=sys.stderr)
            return 128 + number


def _console() -> Console:
    from rich.console import Console  # late: --help does without

    piped = not sys.stdout.isatty()
    return Console(width=_WIDTH_PIPED if piped else None, highlight=False)


def print_line(console: Console, text: str, wrap: bool = True) -> None:
    """Print a text in which names may hold anything.

    Args:
        console (Console): Where to.
        text (str): One line.
        wrap (bool): Wrap it between words, on a terminal; a path stays whole
            without.
    """
    from rich.text import Text

    whole = not (wrap and console.is_terminal)
    console.print(Text(printable(text)), soft_wrap=whole)


def print_notes(
    console: Console,
    notes: Iterable[str],
    warnings: Iterable[str] = (),
    skipped: Mapping[str, str] | None = None,
) -> None:
    """Print what a user should know, each once: warnings, then notes.

    Args:
        console (Console): Where to.
        notes (iterable of str): One sentence each; they may hold warnings.
        warnings (iterable of str): What is missing, or not as it seems.
        skipped (mapping, optional): Images that were left out, and why.
    """
    first = [f'skipped {path}: {why}' for path, why in (skipped or {}).items()]
    found = dict.fromkeys([*first, *warnings])
    for text in found:
        print_line(console, f'warning: {text}')
    for text in dict.fromkeys(notes):
        if text not in found:
            print_line(console, f'note: {text}')


def _written(files: list[Path]) -> str:
    if not files:
        return 'nothing was written'
    last = printable(str(files[-1]))
    return f'{len(files)} file(s) were written, the last is {last}'


@contextmanager
def _raised_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does: files are whole."""
    kinds = [
        getattr(signal, name)
        for name in ('SIGTERM', 'SIGHUP')
        if hasattr(signal, name)
    ]
    if threading.current_thread() is not threading.main_thread():
        kinds = []
    kinds = [k for k in kinds if signal.getsignal(k) is signal.SIG_DFL]

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once
        raise _StoppedError(number)

    for kind in kinds:
        signal.signal(kind, stop)
    try:
        yield
    finally:
        for kind in kinds:
            signal.signal(kind, signal.SIG_DFL)
