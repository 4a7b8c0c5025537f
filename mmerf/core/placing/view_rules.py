"""Where units are after entries were moved about, repeated or joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ..grid.factors import Dim, Factor, merged_factors, reshaped
from ..grid.merging import side_by_side
from ..grid.placed import LOST, Line, Placed, Tag
from .call import Call, Outcome, Rule
from .resize_rules import follow_padded
from .window_rules import moved


def _reshape(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    dims = reshaped(tag.dims, tuple(call.out.shape))
    return None if dims is None else tag.with_dims(dims)


def _same(call: Call) -> Outcome:
    """The first argument's places; of several outputs, the first one's."""
    tag = call.placed()
    fits = tag is not None and tag.shape == tuple(call.output().shape)
    if isinstance(call.out, (tuple, list)):
        return [tag if fits else LOST]
    return tag if fits else None


def _restrided(call: Call) -> Outcome:
    """``as_strided_`` of one unit: pooling to 1 x 1 sets its layout so."""
    tag, step = call.placed(), 1
    if tag is None or tuple(call['size']) != tag.shape:
        return None
    if any(dim.has('yx') and dim.size > 1 for dim in tag.dims):
        return None
    for dim, stride in reversed(
        list(zip(tag.dims, call['stride'], strict=True))
    ):
        if dim.size > 1 and stride != step:
            return None  # not as the sum has left it
        step *= dim.size
    return tag


def _permute(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    order = [dim % len(tag.dims) for dim in call['dims']]
    return tag.with_dims([tag.dims[dim] for dim in order])


def _transpose(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    dims = list(tag.dims)
    a, b = (call.arguments.get(k, d) for k, d in (('dim0', 0), ('dim1', 1)))
    if len(dims) > 1:
        dims[a], dims[b] = dims[b], dims[a]
    return tag.with_dims(dims)


def _unsqueeze(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    dims = list(tag.dims)
    dims.insert(call['dim'] % (len(dims) + 1), Dim())
    return tag.with_dims(dims)


def _squeeze(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    given = call.arguments.get('dim')
    if given is None:
        chosen = set(range(len(tag.dims)))
    else:
        chosen = {dim % len(tag.dims) for dim in _as_list(given)}
    return tag.with_dims(
        [
            dim
            for position, dim in enumerate(tag.dims)
            if position not in chosen or dim.size != 1
        ]
    )


def _as_list(value: Any) -> Sequence:
    return value if isinstance(value, (list, tuple)) else [value]


def _expand(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    shape = tuple(call.out.shape)
    dims = [Dim()] * (len(shape) - len(tag.dims)) + list(tag.dims)
    return tag.with_dims(
        [
            dim
            if dim.size == size
            else Dim(merged_factors((*dim.factors, Factor(None, size))))
            for dim, size in zip(dims, shape, strict=True)
        ]
    )


def _repeat(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    times = list(call['repeats'])
    dims = [Dim()] * (len(times) - len(tag.dims)) + list(tag.dims)
    if any(
        count > 1 and (dim.before or dim.after)
        for dim, count in zip(dims, times, strict=True)
    ):
        return None
    return tag.with_dims(
        [
            Dim(merged_factors((Factor(None, count), *dim.factors)))
            if count > 1
            else dim
            for dim, count in zip(dims, times, strict=True)
        ]
    )


def _cat(call: Call) -> Outcome:
    tensors = [t for t in call['tensors'] if t.numel() or t.dim() > 1]
    position = call['dim'] % call.out.dim()
    tags = [call.tag_of(tensor) for tensor in tensors]
    padded = _with_constants_beside(tensors, tags, position, call.out)
    return padded or side_by_side(
        tags, [tuple(tensor.shape) for tensor in tensors], position
    )


def _with_constants_beside(
    tensors: Sequence[Tensor],
    tags: Sequence[Tag | None],
    position: int,
    out: Tensor,
) -> Placed | None:
    """A map with constants before or after its rows, or its columns.

    They pad it, as zeros would; beside tokens they are class tokens.
    """
    at = [n for n, tag in enumerate(tags) if tag is not None]
    if out.dim() != 4 or len(at) != 1:
        return None
    tag = tags[at[0]]
    if not isinstance(tag, Placed) or tag.single(position) is None:
        return None
    before = sum(int(t.shape[position]) for t in tensors[: at[0]])
    pad = partial(follow_padded, before=before)
    return moved(tag, position - 4, int(out.shape[position]), pad)


def _stack(call: Call) -> Outcome:
    tensors = call['tensors']
    position = call['dim'] % call.out.dim()
    tags: list[Tag | None] = []
    shapes = []
    for tensor in tensors:
        shape = list(tensor.shape)
        shape.insert(position, 1)
        shapes.append(shape)
        tag = call.tag_of(tensor)
        if isinstance(tag, Placed):
            dims = list(tag.dims)
            dims.insert(position, Dim())
            tag = tag.with_dims(dims)
        tags.append(tag)
    return side_by_side(tags, shapes, position)


def _flip(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None:
        return None
    for position in call['dims']:
        dim = tag.dims[position]
        if dim.before or dim.after:
            return None
        factors = []
        for axis, count, step in dim.factors:
            if axis in ('y', 'x'):
                line = tag.lines[axis]
                if line.axis.turn:
                    return None
                moved = line.axis.slid(step * (count - 1), 1)
                tag = tag.with_line(axis, Line(moved, line.enlarged))
                factors.append(Factor(axis, count, -step))
            elif axis == 'n' and count > 1:
                return None
            else:
                factors.append(Factor(axis, count, step))
        tag = tag.with_dim(position, Dim(tuple(factors)))
    return tag


def _roll(call: Call) -> Outcome:
    tag = call.placed()
    if tag is None or not call['dims']:
        return None
    shifts, dims = _as_list(call['shifts']), _as_list(call['dims'])
    for shift, position in zip(shifts, dims, strict=True):
        dim = tag.dims[position]
        if shift % dim.size == 0 or not dim.has('nyx'):
            continue
        single = tag.single(position)
        if single is None or len(tag.factors_of(single[0])) != 1:
            return None
        axis, factor = single
        line = tag.lines[axis]
        turn = (line.axis.turn - shift) % factor.size
        line = Line(replace(line.axis, turn=turn), line.enlarged)
        tag = tag.with_line(axis, line)
    return tag


_SAME = (
    'detach', 'alias', 'contiguous', '_to_copy', 'lift', 'lift_fresh',
    'native_dropout', '_softmax', '_safe_softmax', '_log_softmax', 'cumsum',
    'cumprod', 'logcumsumexp', 'cummax', 'cummin', 'native_batch_norm',
    '_native_batch_norm_legit_no_training', '_native_batch_norm_legit',
    '_batch_norm_with_update', '_batch_norm_no_update', 'cudnn_batch_norm',
    'native_group_norm', 'hardswish', 'rrelu_with_noise', 'tril', 'triu',
    '_prelu_kernel', 'renorm', 'native_channel_shuffle', 'channel_shuffle',
    '_native_multi_head_attention', '_transformer_encoder_layer_fwd',
    'fake_quantize_per_tensor_affine_cachemask',
    'fake_quantize_per_channel_affine_cachemask',
    '_fake_quantize_per_tensor_affine_cachemask_tensor_qparams',
    'fused_moving_avg_obs_fake_quant', '_fused_moving_avg_obs_fq_helper',
    'quantize_per_tensor', 'quantize_per_tensor_dynamic', 'dequantize',
    'quantize_per_channel', 'positive', 'bernoulli', 'hardsigmoid',
    'alpha_dropout',
)  # fmt: skip
VIEW_RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    'view': _reshape,
    'as_strided_': _restrided,
    '_unsafe_view': _reshape,
    'reshape': _reshape,
    '_reshape_alias': _reshape,
    'permute': _permute,
    'transpose': _transpose,
    't': _transpose,
    'unsqueeze': _unsqueeze,
    'squeeze': _squeeze,
    'expand': _expand,
    'repeat': _repeat,
    'cat': _cat,
    'stack': _stack,
    'flip': _flip,
    'roll': _roll,
}
