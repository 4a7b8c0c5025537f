"""Where units are after matrix products, attention, sums and norms."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aten import tensors_in
from ..grid.factors import channels
from ..grid.merging import broadcast
from ..grid.placed import LOST, Placed
from .call import Call, Outcome, Rule, first_only


def follow_pointwise(call: Call) -> Outcome:
    """Combined entry by entry, with broadcasting."""
    tensors = tensors_in(call.arguments)
    operands = [(call.tag_of(t), tuple(t.shape)) for t in tensors]
    return broadcast(operands, tuple(call.output().shape))


def _copy(call: Call) -> Outcome:
    """``copy_``: what was there before is gone."""
    source = call['src']
    return broadcast(
        [(call.tag_of(source), tuple(source.shape))],
        tuple(call['self'].shape),
    )


def _follow_reduced(call: Call) -> Outcome:
    """Sums, means, maxima over dimensions, which are kept or dropped."""
    if 'other' in call.arguments:  # the larger of two tensors
        return follow_pointwise(call)
    tag = call.placed()
    if tag is None:
        return None
    given = call.arguments.get('dim')
    if given is None or given == []:
        chosen = set(range(len(tag.dims)))
    else:
        listed = given if isinstance(given, (list, tuple)) else [given]
        chosen = {dim % len(tag.dims) for dim in listed}
    images = [
        f.size for p in chosen for f in tag.dims[p].factors if f.axis == 'n'
    ]
    if any(size > 1 for size in images):
        return None
    for position in chosen:
        tag = tag.consumed(position)
    if not call.arguments.get('keepdim', False):
        kept = [d for p, d in enumerate(tag.dims) if p not in chosen]
        tag = tag.with_dims(kept)
    return [tag] * 2 if isinstance(call.out, (tuple, list)) else tag


def _follow_product(
    call: Call, left: Any, right: Any, images: bool
) -> Placed | None:
    """A matrix product: rows of the left, columns of the right.

    The places are those of the rows; of the columns where rows have none, as
    where attention over channels is applied.
    """
    a, b = call.tag_of(left), call.tag_of(right)
    if images and isinstance(a, Placed) and isinstance(b, Placed):
        one, other = a.dims[0], b.dims[0]
        if one.has('nyx') and other.has('nyx') and one != other:
            return None
    shape = tuple(call.out.shape)
    rows = a.consumed(len(a.dims) - 1) if isinstance(a, Placed) else None
    columns = b.consumed(len(b.dims) - 2) if isinstance(b, Placed) else None
    of_rows = rows is not None and rows.dims[-2].has('yx')
    of_batch = images and any(
        tag is not None and tag.dims[0].has('yx') for tag in (rows, columns)
    )
    if a is LOST and not (columns and columns.dims[-1].has('yx')):
        return None
    if rows is not None and (of_rows or columns is None or of_batch):
        dims = [*rows.dims[:-1], channels(shape[-1])]
        found = rows.with_dims(dims)
    elif columns is not None:
        dims = [*columns.dims[:-2], channels(shape[-2]), columns.dims[-1]]
        found = columns.with_dims(dims)
    else:
        return None
    return found.in_doubt() if a is LOST else found


def _mm(call: Call) -> Outcome:
    return _follow_product(call, call['self'], call['mat2'], images=False)


def _bmm(call: Call) -> Outcome:
    return _follow_product(call, call['self'], call['mat2'], images=True)


def _addmm(call: Call) -> Outcome:
    return _follow_product(call, call['mat1'], call['mat2'], images=False)


def _baddbmm(call: Call) -> Outcome:
    return _follow_product(call, call['batch1'], call['batch2'], images=True)


def _follow_linear(call: Call) -> Outcome:
    tag = call.placed('input')
    if tag is None:
        return None
    last = len(tag.dims) - 1
    count = int(call.out.shape[-1])
    return tag.consumed(last).with_dim(last, channels(count))


def _follow_attention(call: Call) -> Outcome:
    """Scaled dot product attention: every query keeps its place."""
    tag = call.placed('query')
    if tag is None:
        return None
    last = len(tag.dims) - 1
    width = int(call.output().shape[-1])
    found = tag.consumed(last).with_dim(last, channels(width))
    if any(call.tag_of(call[name]) is LOST for name in ('key', 'value')):
        found = found.in_doubt()
    return first_only(found) if isinstance(call.out, tuple) else found


def _follow_layer_norm(call: Call) -> Outcome:
    """Mixes the last dimensions; those with all of an axis keep it."""
    tag = call.placed()
    if tag is None:
        return None
    out = tag
    count = len(call['normalized_shape'])
    for position in range(len(tag.dims) - count, len(tag.dims)):
        dim = tag.dims[position]
        parts = [f.axis for f in dim.factors if f.axis in ('y', 'x')]
        elsewhere = [
            f.axis
            for p, d in enumerate(tag.dims)
            for f in d.factors
            if p < len(tag.dims) - count
        ]
        if parts and all(axis in elsewhere for axis in parts):
            out = out.consumed(position).with_dim(position, channels(dim.size))
    return first_only(out) if isinstance(call.out, tuple) else out


def _glu(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    position = call['dim'] % len(tag.dims)
    if tag.dims[position].has('nyx'):
        return None
    count = int(call.out.shape[position])
    return tag.with_dim(position, channels(count))


def _along_channels(call: Call) -> Outcome:
    """Sorting and picking along a dimension that has no place."""
    tag = call.placed()
    if tag is None:
        return None
    position = call['dim'] % len(tag.dims)
    out = call.output()
    if tag.dims[position].has('nyx') or out.dim() != len(tag.dims):
        return None
    operands = []
    for name in ('self', 'index', 'src'):
        value = call.arguments.get(name)
        if not isinstance(value, Tensor) or value.dim() != len(tag.dims):
            continue
        shape = list(value.shape)
        shape[position] = 1
        other = call.tag_of(value)
        if isinstance(other, Placed):
            if other.dims[position].has('nyx'):
                return None
            other = other.with_dim(position, channels(1))
        operands.append((other, shape))
    shape = list(out.shape)
    shape[position] = 1
    found = broadcast(operands, shape)
    if not isinstance(found, Placed):
        return None
    found = found.with_dim(position, channels(int(out.shape[position])))
    return [found] * 2 if isinstance(call.out, (tuple, list)) else found


MIXING_RULES: dict[str, Rule] = {
    'copy': _copy,
    'fill': follow_pointwise,  # with a constant; the places stay
    **dict.fromkeys(
        (
            'mean', 'sum', 'amax', 'amin', 'max', 'min', 'var', 'var_mean',
            'std', 'std_mean', 'prod', 'logsumexp', 'norm', 'any', 'all',
            'linalg_vector_norm', 'argmax', 'argmin', 'aminmax', 'nansum',
            'median', 'mode', 'count_nonzero',
        ),
        _follow_reduced,
    ),
    'mm': _mm,
    'bmm': _bmm,
    'addmm': _addmm,
    '_addmm_activation': _addmm,
    'baddbmm': _baddbmm,
    'linear': _follow_linear,
    'mkldnn_linear': _follow_linear,
    **dict.fromkeys(
        (
            '_scaled_dot_product_flash_attention_for_cpu',
            '_scaled_dot_product_flash_attention',
            '_scaled_dot_product_efficient_attention',
            '_scaled_dot_product_cudnn_attention',
            '_scaled_dot_product_fused_attention_overrideable',
            '_scaled_dot_product_attention_math',
        ),
        _follow_attention,
    ),
    **dict.fromkeys(
        ('topk', 'sort', 'kthvalue', 'index_select', 'gather', 'scatter'),
        _along_channels,
    ),
    'native_layer_norm': _follow_layer_norm,
    '_fused_rms_norm': _follow_layer_norm,
    'glu': _glu,
}  # fmt: skip
