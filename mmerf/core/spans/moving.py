"""Pixels that do move an element, in the image that is run.

A span says what an element may depend on. Its last two numbers are the first
and the last pixel whose derivative is not zero, as long as different ways to
one pixel do not cancel. They are kept only through operations that are listed
here; through any other, nothing is claimed. A switched-off ReLU passes nothing
on, a maximum only what it has chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .memory import NOTHING, Spans
from .operation import Operation


def only_where(mask: Tensor, spans: Spans) -> Spans:
    """Spans of which elements outside a mask are moved by nothing.

    Args:
        mask (Tensor): Booleans that broadcast to the spans' shape.
        spans (list of Tensor): The spans.
    """
    if len(spans) < 6:
        return spans
    mask = mask.to(spans[0].device)
    return spans[:4] + [torch.where(mask, n, NOTHING) for n in spans[4:]]


def passes(op: Operation, name: str) -> Tensor | bool:
    """Where an elementwise operation has a derivative; by its result."""
    rule = _DERIVATIVES.get(name)
    if rule is None or not op.out.is_floating_point():
        return False
    return rule(op.out, op.arguments)


def _always(out: Tensor, arguments: dict[str, Any]) -> bool:
    return arguments.get('alpha', 1) != 0


def _divided(out: Tensor, arguments: dict[str, Any]) -> Tensor | bool:
    return arguments.get('rounding_mode') is None and out != 0


def _power(out: Tensor, arguments: dict[str, Any]) -> Tensor | bool:
    exponent = arguments.get('exponent')
    return isinstance(exponent, (int, float)) and exponent != 0 and out != 0


def _elu(out: Tensor, arguments: dict[str, Any]) -> Tensor:
    return out > -arguments['alpha'] * arguments['scale']


def _not_zero(out: Tensor, arguments: dict[str, Any]) -> Tensor:
    return out != 0


def _within(low: float, high: float) -> Callable[..., Tensor]:
    def rule(out: Tensor, arguments: dict[str, Any]) -> Tensor:
        return (out > low) & (out < high)

    return rule


def _clamped(out: Tensor, arguments: dict[str, Any]) -> Tensor | bool:
    low = arguments.get('min', arguments.get('min_val'))
    high = arguments.get('max', arguments.get('max_val'))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return False
    free = torch.ones_like(out, dtype=torch.bool)
    if low is not None:
        free &= out > low
    return free if high is None else free & (out < high)


def _by_aten_name(rule: Callable[..., Any], names: str) -> dict[str, Any]:
    return {f'aten::{name}': rule for name in names.split()}


_INF = float('inf')
_DERIVATIVES: dict[str, Callable[..., Tensor | bool]] = {
    **_by_aten_name(
        _always,
        'add sub rsub neg _to_copy clone contiguous lift_fresh_copy',
    ),
    **_by_aten_name(
        _not_zero,
        'mul gelu silu hardswish mish abs square sqrt rsqrt reciprocal '
        'leaky_relu prelu _prelu_kernel glu',
    ),
    **_by_aten_name(_divided, 'div'),
    **_by_aten_name(_power, 'pow'),
    **_by_aten_name(_elu, 'elu'),
    **_by_aten_name(_within(0, _INF), 'relu exp softplus'),
    **_by_aten_name(_within(0, 1), 'sigmoid hardsigmoid'),
    **_by_aten_name(_within(-1, 1), 'tanh erf'),
    **_by_aten_name(_within(-_INF, _INF), 'log log1p'),
    **_by_aten_name(_clamped, 'clamp clamp_min clamp_max hardtanh relu6'),
}

# Operations whose own rules say which pixels move their output.
_RULED = """
    copy fill zero masked_fill where cat stack roll flip repeat index
    index_select gather pixel_shuffle pixel_unshuffle channel_shuffle
    index_put scatter repeat_interleave take_along_dim
    sum mean var std var_mean std_mean _softmax
    native_layer_norm native_group_norm native_batch_norm cudnn_batch_norm
    _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_no_update
    mm bmm addmm baddbmm
    _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_flash_attention
    _scaled_dot_product_efficient_attention
    _scaled_dot_product_cudnn_attention
    convolution mkldnn_convolution max_pool2d_with_indices
    avg_pool1d avg_pool2d avg_pool3d
    constant_pad_nd reflection_pad1d reflection_pad2d
    replication_pad1d replication_pad2d im2col
    upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d
    upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa
    upsample_bicubic2d _upsample_bicubic2d_aa
    _adaptive_avg_pool2d adaptive_avg_pool2d
"""
RULED = frozenset(f'aten::{name}' for name in _RULED.split())
