"""What a user should know of a run, as the terminal shows it."""

import io

from rich.console import Console

from mmerf.apis.terminal.command import print_notes


def printed(*args, **options):
    out = io.StringIO()
    print_notes(Console(file=out, width=40, **options), *args)
    return out.getvalue()


def test_warnings_come_first_and_everything_once():
    notes = ['run on a', 'no labels', 'run on a', 'random weights']
    skipped = {'a.png': 'damaged'}
    assert printed(notes, ['random weights'], skipped).splitlines() == [
        'warning: skipped a.png: damaged',
        'warning: random weights',
        'note: run on a',
        'note: no labels',
    ]
    assert printed([]) == ''


def test_a_line_is_whole_unless_a_terminal_wraps_it():
    note = 'word ' * 20 + '\x1b[31m'
    (line,) = printed([note]).splitlines()
    assert line.endswith('word \\x1b[31m')
    assert printed([note], force_terminal=True).count('\n') > 2
