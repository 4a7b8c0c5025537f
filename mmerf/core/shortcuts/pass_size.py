"""How many images a pass holds, where several take less time for each."""

from __future__ import annotations

from statistics import median_high

from .witness import Witness

MOST_TOGETHER = 8
LEAST_TOGETHER = 5  # fewer in a pass gain less than the comparison costs
# Bytes that a pass's images leave in a graph, for each tensor that it keeps:
# up to these, an image takes less time in a pass of several. Larger tensors
# leave the CPU's cache, and gain nothing.
KEPT_BY_PASS = 1_500_000
# Bytes of the middle one of the tensors that a graph of products of matrices
# keeps: larger products gain less than the comparison costs.
KEPT_BY_PRODUCTS = 100_000


def most_together(witness: Witness) -> int:
    """Images of a pass that take the least time, once the witness has run.

    It counts bytes and no seconds, so that a run can be repeated.

    Args:
        witness (Witness): After its pass.

    Returns:
        int: 1, or from ``LEAST_TOGETHER`` to ``MOST_TOGETHER``.
    """
    model = witness.model
    own = {t.data_ptr() for t in (*model.parameters(), *model.buffers())}
    every = list(witness.saved.sizes.items())
    kept = [size for address, size in every if address not in own]
    if witness.refused is not None or not kept:
        return 1
    convolves = witness.layers.noticed.convolves
    if not convolves and median_high(kept) > KEPT_BY_PRODUCTS:
        return 1
    fitting = KEPT_BY_PASS * len(every) // max(sum(kept), 1)
    return min(fitting, MOST_TOGETHER) if fitting >= LEAST_TOGETHER else 1
