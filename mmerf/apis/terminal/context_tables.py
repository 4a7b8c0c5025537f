"""The table of where context comes from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from ...core.results.class_context import SPLIT, ClassContext
from ..context.tables import with_stderr
from .terminal_tables import tables_of

_MOST = 3  # other classes that a row names


def contexts_tables(contexts: Mapping[str, ClassContext]) -> list[Table]:
    """What ``erf.py --by-class`` prints: one row per layer and class.

    The whole matrix is in ``by_class.csv``; here stand the split and the
    classes with the largest shares besides the own one.

    Args:
        contexts (mapping): By layer, in drawing order.
    """
    first = next(iter(contexts.values()))
    rows = []
    for layer, context in contexts.items():
        for i, name in enumerate(context.rows):
            parts = zip(context.split[i], context.split_stderr[i], strict=True)
            images, absent = context.images[i], context.absent_images[i]
            rows.append(
                [
                    f'{layer}: {name}',
                    *(with_stderr(100 * v, 100 * e, '.1f') for v, e in parts),
                    _largest_others(context, i),
                    with_stderr(
                        context.size_ratio[i],
                        context.size_ratio_stderr[i],
                        '.2f',
                    ),
                    f'{images} of {images + absent}'
                    if absent
                    else f'{images}',
                ]
            )
    return tables_of(
        f'Where context comes from (%, classes by {first.by_class})',
        ['layer: class', *SPLIT, 'most from', 'size / object', 'images'],
        rows,
    )


def _largest_others(context: ClassContext, row: int) -> str:
    """The classes, besides the own one, with the largest shares."""
    own, shares = context.rows[row], context.shares[row]
    order = [
        j
        for j in np.argsort(-shares, kind='stable')
        if context.columns[j] != own and shares[j] >= 0.0005
    ]
    named = (f'{context.columns[j]} {100 * shares[j]:.1f}' for j in order)
    return ', '.join(list(named)[:_MOST]) or '-'
