"""Records of the families runner: kept, read back, and put into a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from statistics import median

from rich.table import Table

# What a record is of; a record with the same entries is not made again.
KEY = ('kind', 'name', 'layers', 'size', 'number', 'inputs', 'rounds',
       'threads')  # fmt: skip
LOSS = 0.95  # a ratio below it counts as slower than the plain way
WORST = 5


def append(path: Path, record: dict) -> None:
    """Add a record to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write(json.dumps(record) + '\n')


def load(path: Path) -> dict[tuple, dict]:
    """Records by key; a last line that was cut off is taken out."""
    if not path.exists():
        return {}
    text = path.read_text()
    whole = text[: text.rfind('\n') + 1]
    if whole != text:
        path.write_text(whole)
    records = map(json.loads, whole.splitlines())
    return {key_of(record): record for record in records}


def key_of(record: dict) -> tuple:
    """The entries of ``KEY``."""
    return tuple(
        tuple(value) if isinstance(value, list | tuple) else value
        for value in (record[name] for name in KEY)
    )


def ratio(record: dict, clock: str) -> float:
    """Plain seconds over mmerf's, the median of the rounds."""
    rounds = zip(record['plain'], record['mmerf'], strict=True)
    return median(plain[clock] / mmerf[clock] for plain, mmerf in rounds)


def cells_of(record: dict, clock: str) -> list[str]:
    """A line of the table; ``ROWS`` names its cells."""
    where = [
        record['name'],
        '{} x {}'.format(*record['size']),
        str(record['number']),
    ]
    if record['error']:
        return [*where, '-', '-', '-', '-', '-', '-', record['error']]

    def seconds(way: str, clock: str = clock) -> float:
        return median(found[clock] for found in record[way])

    return [
        *where,
        f'{ratio(record, clock):.2f}',
        f'{seconds("plain"):.2f}',
        f'{seconds("mmerf"):.2f}',
        f'{seconds("planning") / seconds("mmerf"):.0%}',
        f'{seconds("plain", "cpu"):.2f}, {seconds("mmerf", "cpu"):.2f}',
        f'{record["difference"]:.1e}',
        f'{record["outputs"]}, {_modes(record)}',
    ]


ROWS = ('model', 'size', 'images', 'ratio', 'plain (s)', 'mmerf (s)',
        'planning', 'CPU s', 'difference', 'outputs')  # fmt: skip


def _modes(record: dict) -> str:
    """How the outputs were run, without the sizes of windows."""
    kinds = {
        'window' if mode.startswith('window') else 'whole'
        for mode in record['run_on']
    }
    return ' and '.join(sorted(kinds))


def table(records: Iterable[dict], clock: str) -> Table:
    """One line per record."""
    found = Table(title=f'plain over mmerf, {clock} seconds')
    for number, name in enumerate(ROWS):
        numeric = 0 < number < len(ROWS) - 1
        found.add_column(name, justify='right' if numeric else 'left')
    for record in records:
        found.add_row(*cells_of(record, clock))
    return found


def summaries(records: Iterable[dict], clock: str) -> list[str]:
    """For each size and number of images: median, worst, and losses."""
    lines = []
    kept = sorted(records, key=_group)
    for (size, number), group in groupby(kept, key=_group):
        every = list(group)
        done = sorted(
            (ratio(r, clock), r['name']) for r in every if not r['error']
        )
        head = f'{size[0]} x {size[1]}, {number} image(s): '
        if not done:
            lines.append(f'{head}none of {len(every)} run')
            continue
        ratios = [value for value, _ in done]
        worst = ', '.join(f'{n} {v:.2f}' for v, n in done[:WORST])
        below = sum(value < LOSS for value in ratios)
        lines.append(
            f'{head}median {median(ratios):.2f}, worst {worst}; '
            f'{below} of {len(done)} below {LOSS}, '
            f'{len(every) - len(done)} not run'
        )
    return lines


def _group(record: dict) -> tuple:
    return tuple(record['size']), record['number']
