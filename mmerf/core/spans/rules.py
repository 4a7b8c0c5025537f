"""Which spans each operation gives its output: one rule per operation.

A rule takes an ``Operation`` and returns the spans of its output. It may
raise ``ValueError`` (or what indexing raises) for a form that it does not
know; the tracer then takes the whole of the inputs. Spans may be too wide,
and must never be too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..aten import tensors_in
from .kernels import KERNEL_RULES
from .memory import Spans, constant, joined, unmoved
from .moving import only_where
from .operation import Operation
from .products import PRODUCT_RULES
from .resizing import RESIZE_RULES

CONSTANT = 2  # values whose normalised ones hardly move, or not at all


def pointwise(op: Operation) -> Spans:
    """Each element depends on those at its place."""
    return joined([op.read(t) for t in op.tracked()], op.shape)


def _copied(op: Operation) -> Spans:
    return op.read(op.arguments['src'])


def _filled(op: Operation) -> Spans:
    value = op.arguments.get('value')
    if isinstance(value, Tensor):
        return op.read(value)
    return constant(op.shape, op.memory.count)


def _chosen(op: Operation) -> Spans:
    """``where``, ``masked_fill``: a mask chooses between two values."""
    mask = op.arguments.get('condition', op.arguments.get('mask'))
    found = pointwise(op)
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        return unmoved(found)
    if 'condition' not in op.arguments:
        mask = ~mask
    values = [
        only_where(chosen, op.read(value))
        for chosen, value in (
            (mask, op.arguments.get('self')),
            (~mask, op.arguments.get('other', op.arguments.get('value'))),
        )
        if isinstance(value, Tensor)
    ]
    return found[:4] + joined(values, op.shape)[4:]


def _rearranged(op: Operation) -> Spans:
    """Elements get other places: the same operation moves their spans."""
    for name in ('index', 'indices'):
        if any(op.is_tracked(t) for t in tensors_in(op.arguments.get(name))):
            raise ValueError('the places depend on the input')
    if op.arguments.get('accumulate'):
        raise ValueError('a sum')
    return [op.run_on_spans(which) for which in op.counted]


def _reduced(op: Operation) -> Spans:
    """Everything along some dimensions, which stay, shrink or vanish."""
    source = op.source
    dims = op.arguments.get('dim')
    if isinstance(dims, int):
        dims = [dims]
    spans = op.read(source)
    if not dims:
        dims = list(range(source.dim()))
    kept = [numbers.amax(dims, keepdim=True) for numbers in spans]
    if len(op.shape) == source.dim():
        return kept
    return [numbers.reshape(op.shape) for numbers in kept]


def _softmax(op: Operation) -> Spans:
    """Of a softmax, values whose share is zero move nothing."""
    dim = op.arguments['dim']
    found = _reduced(op)
    if op.memory.count < 6:
        return found
    if op.out.shape[dim] < 2:
        return unmoved(found)
    some = op.out.cpu() > 0
    source = only_where(some, op.read(op.source))[4:]
    moved = [n.amax(dim, keepdim=True).expand(op.shape) for n in source]
    return only_where(some, found[:4] + moved)


def _deviation(op: Operation) -> Spans:
    found = _reduced(op)
    return found if op.source.numel() > op.out.numel() else unmoved(found)


def _layer_norm(op: Operation) -> Spans:
    dims = list(range(-len(op.arguments['normalized_shape']), 0))
    spans = op.read(op.source)
    found = [numbers.amax(dims, keepdim=True) for numbers in spans]
    few = math.prod(op.arguments['normalized_shape']) <= CONSTANT
    return unmoved(found) if few else found


def _group_norm(op: Operation) -> Spans:
    groups = op.arguments['group']
    out = []
    for numbers in op.read(op.source):
        group = numbers.reshape(len(numbers), groups, -1)
        group = group.amax(2, keepdim=True).expand_as(group)
        out.append(group.reshape(op.shape))
    few = op.source[0].numel() // groups <= CONSTANT
    return unmoved(out) if few else out


def _batch_norm(op: Operation) -> Spans:
    spans = op.read(op.source)
    if not op.arguments.get('training', False):
        return spans
    dims = [dim for dim in range(op.source.dim()) if dim != 1]
    found = [numbers.amax(dims, keepdim=True) for numbers in spans]
    few = op.source[:, 0].numel() <= CONSTANT
    return unmoved(found) if few else found


def _gated(op: Operation) -> Spans:
    """``glu``: one half of a dimension times the other's sigmoid."""
    dim = op.arguments['dim']
    halves = [numbers.chunk(2, dim) for numbers in op.read(op.source)]
    return joined([list(half) for half in zip(*halves, strict=True)], op.shape)


def _names(names: str) -> list[str]:
    return [f'aten::{name}' for name in names.split()]


# Operations whose output does not depend on the values of their inputs.
CONSTANTS = frozenset(
    _names(
        'zeros_like ones_like empty_like full_like rand_like randn_like '
        'new_zeros new_ones new_empty new_full new_empty_strided'
    )
)

SPAN_RULES: dict[str, Callable[[Operation], Spans]] = {
    **dict.fromkeys(
        _names(
            'hardswish _prelu_kernel prelu _to_copy clone '
            'native_dropout bernoulli rsub contiguous tril triu '
            'lift_fresh_copy hardtanh copysign'
        ),
        pointwise,
    ),
    'aten::copy': _copied,
    **dict.fromkeys(_names('where masked_fill'), _chosen),
    **dict.fromkeys(_names('fill zero'), _filled),
    **dict.fromkeys(
        _names(
            'cat stack roll flip repeat index index_select gather '
            'pixel_shuffle pixel_unshuffle channel_shuffle index_put '
            'scatter repeat_interleave take_along_dim'
        ),
        _rearranged,
    ),
    **dict.fromkeys(
        _names(
            'sum mean amax amin max min norm '
            'linalg_vector_norm prod logsumexp argmax argmin any all median '
            'cumsum cumprod sort topk _log_softmax softmax '
            'log_softmax _fft_r2c _fft_c2c _fft_c2r'
        ),
        _reduced,
    ),
    **dict.fromkeys(_names('var std var_mean std_mean'), _deviation),
    'aten::_softmax': _softmax,
    'aten::glu': _gated,
    'aten::native_layer_norm': _layer_norm,
    'aten::native_group_norm': _group_norm,
    **dict.fromkeys(
        _names(
            'native_batch_norm cudnn_batch_norm _native_batch_norm_legit '
            '_native_batch_norm_legit_no_training _batch_norm_no_update'
        ),
        _batch_norm,
    ),
    **PRODUCT_RULES,
    **KERNEL_RULES,
    **RESIZE_RULES,
}

# Operations that may join all places at once.
JOINING = frozenset(
    name
    for name, rule in SPAN_RULES.items()
    if rule in (_reduced, _deviation, _softmax, _layer_norm, _group_norm)
    or rule is _batch_norm
    or name in PRODUCT_RULES
    or 'pool' in name
)
