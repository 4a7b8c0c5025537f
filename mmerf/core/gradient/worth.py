"""Whether a backward pass gains by skipping zeros, and may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..aten import kept_tensor

LARGE_GRADIENT = 2**19  # elements of a gradient from which on a box saves time
LEAST_GAIN = 0.1  # of the work of large convolutions: what skipping costs
# Elements of large convolutions' gradients, over those of a large one at every
# node: where they are fewer, to look at the nodes costs what it saves.
LARGE_SHARE = 0.04
MANY_NODES = 5_000  # of a graph, autograd's; HRNet-W48 has about 2,000
FEW_CONVOLUTIONS = 'few large convolutions'
OWN_BACKWARD = 'has backward code of its own'
BATCH_NORM = 'NativeBatchNormBackward0'
TORCHS = {'torch::autograd::AccumulateGrad', 'torch::autograd::CopySlices'}
REORDERING = {'PermuteBackward0', 'TransposeBackward0', 'TBackward0'}
# Of channels-last images, they hand on gradients in the plain layout.
REORDERING_THERE = REORDERING | {
    'ViewBackward0', 'UnsafeViewBackward0', 'ReshapeAliasBackward0',
    'CloneBackward0',
}  # fmt: skip


def is_worth_a_look(elements: int) -> bool:
    """Whether a gradient of so many elements is worth a look for zeros."""
    return elements >= LARGE_GRADIENT


def work_of(elements: int, weight: Tensor | None) -> int:
    """Multiplications for a convolution's gradient of so many elements."""
    return elements * (1 if weight is None else math.prod(weight.shape[1:]))


@dataclass(frozen=True)
class Graph:
    """What decides how a backward pass runs.

    Attributes:
        refusal (str, optional): Why zeros are not skipped. A custom
            function's backward is handed the gradient itself, and may look
            into its memory or change it. Otherwise zeros are skipped where
            it saves time: at convolutions of some size, if they are not few
            among operations each of which would be looked at.
        norms (sequence of Node): The batch norms, if torch itself may compute
            a wrong gradient of one; see ``mended_norms``.
        hides (bool): Whether there may be more of them than it shows.
        nodes (int): How many it has.
        work (int): Multiplications in the backward of large convolutions.
    """

    refusal: str | None
    norms: Sequence[Any]
    hides: bool
    nodes: int
    work: int


def graph_of(tensor: Tensor, channels_last: bool = False) -> Graph:
    """Look through the graph of a tensor.

    Args:
        tensor (Tensor): With its graph.
        channels_last (bool): Whether the images are.
    """
    reordering = REORDERING_THERE if channels_last else REORDERING
    seen, nodes = set(), [tensor.grad_fn]
    reorders, hides, norms = False, False, []
    elements, work, custom = 0, 0, ''
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            custom = custom or type(node).__name__.removesuffix('Backward')
        name = node.name()
        if not (name[-1].isdigit() or name in TORCHS):
            hides = True  # it may run norms, and hand on any strides
        reorders |= hides or (name in reordering and not _clones_leaf(node))
        if name == BATCH_NORM:
            norms.append(node)
        elif name == 'ConvolutionBackward0':
            count = math.prod(node._input_metadata[0].shape)
            if is_worth_a_look(count):
                elements += count
                work += work_of(count, kept_tensor(node, 'weight'))
        nodes += [following for following, _ in node.next_functions]
    norms = norms if reorders else []
    hides |= any(kept_tensor(node, 'input') is None for node in norms)
    known = norms, hides, len(seen), work
    if custom:  # first: layouts are decided by it, too
        return Graph(f'{custom} {OWN_BACKWARD}', *known)
    if len(seen) > MANY_NODES:
        return Graph(f'more than {MANY_NODES:,} operations', *known)
    if elements >= LARGE_SHARE * len(seen) * LARGE_GRADIENT:
        return Graph(None, *known)
    return Graph(FEW_CONVOLUTIONS, *known)


def _clones_leaf(node: Any) -> bool:
    """Whether a node is of the copy of the images that the model gets.

    It comes after all norms, and its strides are those of the images.
    """
    following = node.next_functions[0][0]
    copied = node.name() == 'CloneBackward0' and following is not None
    return copied and following.name() == 'torch::autograd::AccumulateGrad'
