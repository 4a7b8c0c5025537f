"""Whether a backward pass gains by skipping zeros, and may."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

LARGE_GRADIENT = 2**19  # elements of a gradient from which on a box saves time
LARGE_SHARE = 0.1  # of the nodes: fewer large convolutions save nothing
MANY_NODES = 5_000  # of a graph, autograd's; HRNet-W48 has about 2,000
BATCH_NORM = 'NativeBatchNormBackward0'
REORDERING = {'PermuteBackward0', 'TransposeBackward0', 'TBackward0'}


def is_worth_a_look(elements: int) -> bool:
    """Whether a gradient of so many elements is worth a look for zeros."""
    return elements >= LARGE_GRADIENT


def refused_by_graph(tensor: Tensor) -> str | None:
    """Why a tensor's graph is not for a backward pass that skips zeros.

    A custom function's backward is handed the gradient itself, and may look
    into its memory or change it. Otherwise zeros are skipped where it saves
    time: at convolutions of some size, if they are not few among operations
    each of which would be looked at.

    Args:
        tensor (Tensor): With a graph.
    """
    seen, nodes = set(), [tensor.grad_fn]
    names: set[str] = set()
    convolutions = 0
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if len(seen) > MANY_NODES:
            return f'more than {MANY_NODES:,} operations'
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            name = type(node).__name__.removesuffix('Backward')
            return f'{name} has backward code of its own'
        names.add(node.name())
        if node.name() == 'ConvolutionBackward0':
            convolutions += is_worth_a_look(_elements(node))
        nodes += [following for following, _ in node.next_functions]
    # Of these together, torch itself computes a wrong gradient, which
    # ``SparseBackward`` mends.
    mended = BATCH_NORM in names and not names.isdisjoint(REORDERING)
    if convolutions >= LARGE_SHARE * len(seen) or mended:
        return None
    return 'few large convolutions'


def _elements(node: Any) -> int:
    """Of a node's gradient."""
    return math.prod(node._input_metadata[0].shape)
