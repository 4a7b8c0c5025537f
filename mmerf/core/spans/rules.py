"""Which spans each operation gives its output: one rule per operation.

A rule takes an ``Operation`` and returns the spans of its output. It may
raise ``ValueError`` (or what indexing raises) for a form that it does not
know; the tracer then takes the whole of the inputs. Spans may be too wide,
and must never be too small.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..aten import tensors_in
from .kernels import KERNEL_RULES
from .memory import Spans, constant, joined
from .operation import Operation
from .resizing import RESIZE_RULES


def pointwise(op: Operation) -> Spans:
    """Each element depends on those at its place."""
    return joined([op.read(t) for t in op.tracked()], op.shape)


def _copied(op: Operation) -> Spans:
    return op.read(op.arguments['src'])


def _filled(op: Operation) -> Spans:
    value = op.arguments.get('value')
    if isinstance(value, Tensor):
        return op.read(value)
    return constant(op.shape)


def _rearranged(op: Operation) -> Spans:
    """Elements get other places: the same operation moves their spans."""
    for name in ('index', 'indices'):
        if any(op.is_tracked(t) for t in tensors_in(op.arguments.get(name))):
            raise ValueError('the places depend on the input')
    return [op.run_on_spans(which) for which in range(4)]


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


def _layer_norm(op: Operation) -> Spans:
    dims = list(range(-len(op.arguments['normalized_shape']), 0))
    spans = op.read(op.source)
    return [numbers.amax(dims, keepdim=True) for numbers in spans]


def _group_norm(op: Operation) -> Spans:
    groups = op.arguments['group']
    out = []
    for numbers in op.read(op.source):
        group = numbers.reshape(len(numbers), groups, -1)
        group = group.amax(2, keepdim=True).expand_as(group)
        out.append(group.reshape(op.shape))
    return out


def _batch_norm(op: Operation) -> Spans:
    spans = op.read(op.source)
    if not op.arguments.get('training', False):
        return spans
    dims = [dim for dim in range(op.source.dim()) if dim != 1]
    return [numbers.amax(dims, keepdim=True) for numbers in spans]


def _product(one: str, other: str) -> Callable[[Operation], Spans]:
    """Matrix products: a row of one and a column of the other."""

    def rule(op: Operation) -> Spans:
        rows = op.read(op.arguments[one])
        columns = op.read(op.arguments[other])
        parts = [
            [numbers.amax(-1, keepdim=True) for numbers in rows],
            [numbers.amax(-2, keepdim=True) for numbers in columns],
        ]
        if one != 'self' and 'self' in op.arguments:  # addmm, baddbmm
            parts.append(op.read(op.arguments['self']))
        return joined(parts, op.shape)

    return rule


def _linear(op: Operation) -> Spans:
    if op.is_tracked(op.arguments['weight']):
        raise ValueError('the weight depends on the input')
    spans = op.read(op.arguments['input'])
    return [numbers.amax(-1, keepdim=True) for numbers in spans]


def _attention(op: Operation) -> Spans:
    """Each query sees itself and every key and value of its head."""
    query, key, value = (
        op.read(op.arguments[name]) for name in ('query', 'key', 'value')
    )
    parts = [
        [numbers.amax(-1, keepdim=True) for numbers in query],
        [numbers.amax((-2, -1), keepdim=True) for numbers in key],
        [numbers.amax((-2, -1), keepdim=True) for numbers in value],
    ]
    for name in ('attn_mask', 'attn_bias'):
        mask = op.arguments.get(name)
        if isinstance(mask, Tensor) and op.is_tracked(mask):
            spans = op.read(mask)
            parts.append([n.amax(-1, keepdim=True) for n in spans])
    return joined(parts, op.shape)


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
            'hardswish _prelu_kernel prelu _to_copy clone masked_fill where '
            'native_dropout bernoulli rsub contiguous tril triu '
            'lift_fresh_copy hardtanh copysign'
        ),
        pointwise,
    ),
    'aten::copy': _copied,
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
            'sum mean amax amin max min var std var_mean std_mean norm '
            'linalg_vector_norm prod logsumexp argmax argmin any all median '
            'cumsum cumprod sort topk _softmax _log_softmax softmax '
            'log_softmax _fft_r2c _fft_c2c _fft_c2r'
        ),
        _reduced,
    ),
    'aten::native_layer_norm': _layer_norm,
    'aten::native_group_norm': _group_norm,
    **dict.fromkeys(
        _names(
            'native_batch_norm cudnn_batch_norm _native_batch_norm_legit '
            '_native_batch_norm_legit_no_training _batch_norm_no_update'
        ),
        _batch_norm,
    ),
    'aten::mm': _product('self', 'mat2'),
    'aten::bmm': _product('self', 'mat2'),
    'aten::matmul': _product('self', 'other'),
    'aten::addmm': _product('mat1', 'mat2'),
    'aten::baddbmm': _product('batch1', 'batch2'),
    'aten::linear': _linear,
    **dict.fromkeys(
        _names(
            '_scaled_dot_product_flash_attention_for_cpu '
            '_scaled_dot_product_flash_attention '
            '_scaled_dot_product_efficient_attention '
            '_scaled_dot_product_cudnn_attention'
        ),
        _attention,
    ),
    **KERNEL_RULES,
    **RESIZE_RULES,
}
