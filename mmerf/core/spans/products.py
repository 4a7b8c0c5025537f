"""Spans after matrix products and attention."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .memory import NOTHING, Spans, joined, unmoved
from .moving import only_where
from .operation import Operation


def _product(one: str, other: str) -> Callable[[Operation], Spans]:
    """Matrix products: a row of one and a column of the other."""

    def rule(op: Operation) -> Spans:
        left, right = op.arguments[one], op.arguments[other]
        moving = op.memory.count > 2
        parts = []
        if op.is_tracked(left):
            rows = op.read(left)
            by_rows = [numbers.amax(-1, keepdim=True) for numbers in rows[:4]]
            moved = _moving_rows(rows, right) if moving else []
            parts.append(by_rows + moved)
        if op.is_tracked(right):
            columns = op.read(right)
            by_columns = [n.amax(-2, keepdim=True) for n in columns[:4]]
            moved = _moving_columns(columns, left) if moving else []
            parts.append(by_columns + moved)
        if one != 'self' and 'self' in op.arguments:  # addmm, baddbmm
            parts.append(op.read(op.arguments['self']))
            if 0 in (op.arguments['alpha'], op.arguments['beta']):
                return unmoved(joined(parts, op.shape))
        return joined(parts, op.shape)

    return rule


def _moving_rows(rows: Spans, right: Tensor) -> Spans:
    """Entries of a row that no column multiplies by zero."""
    used = (right != 0).all(-1).unsqueeze(-2).cpu()
    return [n.amax(-1, keepdim=True) for n in only_where(used, rows)[4:]]


def _moving_columns(columns: Spans, left: Tensor) -> Spans:
    """Entries of a column that rows do not multiply by zero.

    Where some do, columns count as far as all of them are moved alike.
    """
    nonzero = (left != 0).cpu()
    if nonzero.all():
        return [n.amax(-2, keepdim=True) for n in columns[4:]]
    found = []
    for numbers in columns[4:]:
        alike = numbers.amin(-1).unsqueeze(-2)
        moved = torch.where(nonzero, alike, NOTHING)
        found.append(moved.amax(-1, keepdim=True))
    return found


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
    alike = [numbers.amin(-1, keepdim=True) for numbers in value[4:]]
    parts = [
        [numbers.amax(-1, keepdim=True) for numbers in query],
        [numbers.amax((-2, -1), keepdim=True) for numbers in key],
        [numbers.amax((-2, -1), keepdim=True) for numbers in value[:4]]
        + [numbers.amax(-2, keepdim=True) for numbers in alike],
    ]
    few = op.arguments['key'].shape[-2] < 2  # whose share is always one
    if few or op.arguments.get('is_causal'):
        parts = [unmoved(part) for part in parts]
    for name in ('attn_mask', 'attn_bias'):
        mask = op.arguments.get(name)
        if isinstance(mask, Tensor) and op.is_tracked(mask):
            spans = op.read(mask)
            parts.append([n.amax(-1, keepdim=True) for n in spans])
        if mask is not None:  # it may hide some
            parts = [unmoved(part) for part in parts]
    return joined(parts, op.shape)


ATTENTIONS = (
    'aten::_scaled_dot_product_flash_attention_for_cpu',
    'aten::_scaled_dot_product_flash_attention',
    'aten::_scaled_dot_product_efficient_attention',
    'aten::_scaled_dot_product_cudnn_attention',
)

PRODUCT_RULES: dict[str, Callable[[Operation], Spans]] = {
    'aten::mm': _product('self', 'mat2'),
    'aten::bmm': _product('self', 'mat2'),
    'aten::matmul': _product('self', 'other'),
    'aten::addmm': _product('mat1', 'mat2'),
    'aten::baddbmm': _product('batch1', 'batch2'),
    'aten::linear': _linear,
    **dict.fromkeys(ATTENTIONS, _attention),
}
