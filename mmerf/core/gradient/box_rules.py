"""What each operation of a backward pass does with a box tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..aten import named_arguments
from .box_tensor import (
    BoxTensor,
    crop_to,
    empty_like,
    is_croppable,
    is_small_enough,
    memory_format_of,
)

aten = torch.ops.aten


def _pointwise(func: Any, *args: Any) -> Any:
    """An operation that maps 0 to 0 and works on each position by itself."""
    box_tensor = next(value for value in args if isinstance(value, BoxTensor))
    if not all(is_croppable(value, box_tensor.shape) for value in args):
        return NotImplemented
    return box_tensor.with_inside(
        func(*(crop_to(v, box_tensor) for v in args))
    )


def _divide(func: Any, *args: Any) -> Any:
    """Division of a box tensor; dividing by one has no box."""
    if isinstance(args[1], BoxTensor):
        return NotImplemented
    return _pointwise(func, *args)


def _add_boxes(func: Any, one: Any, other: Any) -> Any:
    """The sum of two box tensors, in the box that holds both."""
    if not (isinstance(one, BoxTensor) and isinstance(other, BoxTensor)):
        return NotImplemented
    if one.shape != other.shape:
        return NotImplemented
    a, b = one.box, other.box
    box = (min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3]))
    if not is_small_enough(box, one.shape):
        return NotImplemented
    if a == b:
        return one.with_inside(func(one.inside, other.inside))
    rows, columns = box[1] - box[0], box[3] - box[2]
    total = empty_like((*one.shape[:2], rows, columns), one.inside).zero_()
    for part in (one, other):
        top, left = part.box[0] - box[0], part.box[2] - box[2]
        bottom, right = part.box[1] - box[0], part.box[3] - box[2]
        total[:, :, top:bottom, left:right] += part.inside
    return BoxTensor(total, box, one.shape)


def _slice_channels(func: Any, one: Any, dim: int = 0, *bounds: Any) -> Any:
    """A slice of channels or images, as the backward of ``cat`` takes one."""
    if dim not in (0, 1, -4, -3):
        return NotImplemented
    return one.with_inside(func(one.inside, dim, *bounds))


def _batch_norm_backward(func: Any, gradient: Any, *args: Any) -> Any:
    """Batch norm with stored statistics: one factor per channel."""
    image, weight, mean, variance, kept_mean, kept_scale = args[:6]
    train, eps, mask = args[6:]
    if train or list(mask) != [True, False, False]:
        return NotImplemented
    if not isinstance(gradient, BoxTensor) or image.dim() != 4:
        return NotImplemented
    fixed = (weight, mean, variance, kept_mean, kept_scale)
    crop = crop_to(image, gradient).contiguous(
        memory_format=memory_format_of(image)
    )
    out = func(gradient.inside, crop, *fixed, train, eps, mask)
    return gradient.with_inside(out[0]), None, None


def _convolution_backward(func: Any, gradient: Any, *args: Any) -> Any:
    """The input's gradient, computed from the box of the output's alone."""
    image, weight, bias_sizes, stride, padding, dilation = args[:6]
    transposed, _, groups, mask = args[6:]
    if (
        not isinstance(gradient, BoxTensor)
        or transposed
        or list(mask) != [True, False, False]
        or image.dim() != 4
    ):
        return NotImplemented
    strides, pads, steps = (_both_axes(v) for v in (stride, padding, dilation))
    top, bottom, left, right = gradient.box
    sides, firsts = [], []
    for axis, (first, last) in enumerate(((top, bottom), (left, right))):
        reach = steps[axis] * (weight.shape[2 + axis] - 1)
        sides.append((last - first - 1) * strides[axis] + reach + 1)
        firsts.append(first * strides[axis] - pads[axis])
    crop = empty_like((*image.shape[:2], *sides), gradient.inside)
    inside = func(
        gradient.inside, crop, weight, bias_sizes, stride, [0, 0], dilation,
        False, [0, 0], groups, mask,
    )[0]  # fmt: skip
    ends = [
        (max(first, 0), min(first + side, length))
        for first, side, length in zip(
            firsts, sides, image.shape[2:], strict=True
        )
    ]
    (y0, y1), (x0, x1) = ends
    if y1 <= y0 or x1 <= x0:  # the gradient reaches only padding
        return torch.zeros_like(image), None, None
    inside = inside[
        :, :, y0 - firsts[0] : y1 - firsts[0], x0 - firsts[1] : x1 - firsts[1]
    ].contiguous(memory_format=memory_format_of(gradient.inside))
    box_tensor = BoxTensor(inside, (y0, y1, x0, x1), image.shape)
    if not is_small_enough(box_tensor.box, image.shape):
        return box_tensor.whole(), None, None
    return box_tensor, None, None


def _max_pool_backward(func: Any, gradient: Any, *args: Any) -> Any:
    """Each output's gradient goes to the position that was its maximum."""
    image, kernel, stride, padding, dilation, _, argmaxes = args
    if not isinstance(gradient, BoxTensor) or image.dim() != 4:
        return NotImplemented
    height, width = image.shape[2:]
    spans = []
    for axis, length in enumerate((height, width)):
        first, last = gradient.box[2 * axis : 2 * axis + 2]
        k, s, p, d = (
            _both_axes(v)[axis]
            for v in (kernel, stride or kernel, padding, dilation)
        )
        end = (last - 1) * s - p + d * (k - 1) + 1
        spans.append((max(first * s - p, 0), min(end, length)))
    (y0, y1), (x0, x1) = spans
    rows, columns = y1 - y0, x1 - x0
    argmaxes = crop_to(argmaxes, gradient)  # flat indices into the image
    argmaxes = (argmaxes // width - y0) * columns + argmaxes % width - x0
    inside = image.new_zeros((*image.shape[:2], rows * columns))
    inside.scatter_add_(2, argmaxes.flatten(2), gradient.inside.flatten(2))
    inside = inside.unflatten(2, (rows, columns)).contiguous(
        memory_format=memory_format_of(gradient.inside)
    )
    return BoxTensor(inside, (y0, y1, x0, x1), image.shape)


def _upsample_backward(func: Any, *args: Any) -> Any:
    """Of interpolation: what torch makes of one unit says where it goes."""
    named = named_arguments(func, args, {})
    gradient, shape = named['grad_output'], named['input_size']
    if not isinstance(gradient, BoxTensor):
        return NotImplemented
    inside, ends = gradient.inside, []
    aligned = [named['align_corners']] if 'align_corners' in named else []
    scales = named['scales_h'], named['scales_w']
    for axis, scale in enumerate(scales):
        first, last = gradient.box[2 * axis : 2 * axis + 2]
        length = shape[2 + axis]
        units = torch.eye(length, dtype=inside.dtype, device=inside.device)
        weights = _UPSAMPLING[func](
            units[None, :, :, None],
            (gradient.shape[2 + axis], 1),
            *aligned,
            scale,
            None,
        )[0, :, first:last, 0]
        reached = (weights != 0).any(1).nonzero().flatten().tolist() or [0]
        start, end = reached[0], reached[-1] + 1
        ends += [start, end]
        weights = weights[start:end]
        inside = (
            weights @ inside if axis == 0 else inside @ weights.transpose(0, 1)
        )
    found = BoxTensor(
        inside.contiguous(memory_format=memory_format_of(gradient.inside)),
        (ends[0], ends[1], ends[2], ends[3]),
        tuple(shape),
    )
    return found if is_small_enough(found.box, shape) else found.whole()


def _both_axes(value: Sequence[int]) -> tuple[int, int]:
    values = tuple(value)
    return (values[0], values[-1])


_POINTWISE = [
    'threshold_backward',
    'gelu_backward',
    'silu_backward',
    'sigmoid_backward',
    'tanh_backward',
    'hardswish_backward',
    'hardsigmoid_backward',
    'elu_backward',
    'hardtanh_backward',
    'leaky_relu_backward',
    'softplus_backward',
    'mish_backward',
    'neg',
    'detach',
    'alias',
    'clone',
]
_UPSAMPLING = {
    getattr(aten, f'{name}_backward').default: getattr(aten, name).default
    for name in (
        'upsample_bilinear2d',
        'upsample_bicubic2d',
        'upsample_nearest2d',
        '_upsample_nearest_exact2d',
    )
}
GRADIENT_RULES: dict[Any, Callable] = {
    **dict.fromkeys(_UPSAMPLING, _upsample_backward),
    **{getattr(aten, n).default: _pointwise for n in _POINTWISE},
    aten.mul.Tensor: _pointwise,
    aten.mul.Scalar: _pointwise,
    aten.div.Tensor: _divide,
    aten.div.Scalar: _divide,
    aten.add.Tensor: _add_boxes,
    aten.slice.Tensor: _slice_channels,
    aten.native_batch_norm_backward.default: _batch_norm_backward,
    aten.convolution_backward.default: _convolution_backward,
    aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
}
