"""What switching a module off changes, against the whole network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import ConfigError
from ...core.results.erf_result import ERFResult
from ...core.statistics import Number, headline_shares, shown_numbers
from ...core.statistics.base import SIZES
from ..compare.table_files import Row

if TYPE_CHECKING:
    from .variants import Sweep

WHOLE_MODEL = 'whole model'
FIRST_COLUMNS = ('without', 'way', 'layer')


def changes_of(sweep: Sweep) -> list[Row]:
    """One row per module and layer: numbers, and their change.

    Args:
        sweep (Sweep): From ``erf_each_without``.

    Returns:
        list[dict]: The whole network first. ``side_<share>`` and
        ``effective_side`` in px, each with ``_change``, the difference from
        the whole network's; sides also with ``_is_bound``, whether an image
        limits them; ``total_change``, by how much of itself the sum
        of the map changes, -1 where nothing is left; ``elsewhere``, the share
        of the contribution that lies at other pixels, in [0, 1]: half the
        summed difference of the maps, each over its sum. None where there is
        none; ``note`` says why a module has no numbers.
    """
    whole = sweep.runs[WHOLE_MODEL].results
    numbers = changing_numbers(next(iter(whole.values())).shares)
    rows: list[Row] = []
    for name in [*sweep.runs, *sweep.gaps]:
        module = name.removeprefix('without ')
        for layer, base in whole.items():
            row: Row = {'without': module, 'way': '', 'layer': layer}
            run = sweep.runs.get(name)
            if run is None or layer not in run.results:
                note = sweep.gaps.get(name, 'no such layer')
                rows.append({**row, 'note': note})
                continue
            result = run.results[layer]
            if name == WHOLE_MODEL:
                row['without'] = ''
            else:
                row['way'] = result.provenance['without'][module]
            rows.append({**row, **_changes(numbers, base, result)})
    keys = dict.fromkeys(key for row in rows for key in row if key != 'note')
    keys['note'] = None
    return [{key: row.get(key) for key in keys} for row in rows]


def changing_numbers(shares: Sequence[float]) -> list[tuple[str, Number]]:
    """The sides at the headline shares, and the effective side."""
    wanted = [f'side_{share}' for share in headline_shares(shares)]
    return [
        pair
        for pair in shown_numbers(SIZES, shares)
        if pair[1].key in (*wanted, 'effective_side')
    ]


def _changes(
    numbers: Sequence[tuple[str, Number]], base: ERFResult, result: ERFResult
) -> Row:
    ours, theirs = base.statistics(), result.statistics()
    row: Row = {}
    for family, number in numbers:
        before = number.value(ours[family])
        after = number.value(theirs[family])
        both = before is not None and after is not None
        row[number.key] = after
        if number.bound:
            row[f'{number.key}_is_bound'] = number.is_bound(theirs[family])
        row[f'{number.key}_change'] = after - before if both else None
    sums = [float(each.map.sum()) for each in (base, result)]
    row['total_change'] = sums[1] / sums[0] - 1 if sums[0] else None
    row['elsewhere'] = None
    if all(sums) and base.map.shape == result.map.shape:
        apart = base.map / sums[0] - result.map / sums[1]
        row['elsewhere'] = float(np.abs(apart).sum() / 2)
    return row


def check_changes_file(path: Path) -> None:
    """Raise ConfigError if there is another file than such a table."""
    if not os.path.exists(path):
        return
    if os.path.isfile(path):
        with path.open(encoding='utf-8', errors='replace') as file:
            if file.read(1000).startswith(','.join(FIRST_COLUMNS)):
                return
    raise ConfigError(
        f'{path} would be replaced and is no table of this command; choose '
        'another --out-dir'
    )
