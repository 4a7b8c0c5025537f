"""Which operation a node of autograd's graph has recorded.

A node knows what its backward needs of the operation's arguments: mostly what
the operation's rule needs too. What is not in these tables is not read off a
graph: operations that a rule places by tensors without a gradient as well
(indices, masks), writes into a part of a tensor, functions of a model's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from ..aten import kept_tensor
from ..placing.call import Rule
from ..placing.mixing_rules import follow_pointwise
from ..placing.table import RULES

UNSIGNED = 2**63  # autograd hands out negative numbers above this
_NOT_KEPT = object()
_ENTRY_BY_ENTRY = frozenset(
    {
        'Abs', 'Add', 'Addcdiv', 'Addcmul', 'Clamp', 'ClampMax', 'ClampMin',
        'Clone', 'Div', 'Elu', 'Erf', 'Exp', 'Gelu', 'Hardsigmoid',
        'Hardtanh', 'LeakyRelu', 'Lerp', 'Log', 'Maximum', 'Minimum', 'Mish',
        'Mul', 'Neg', 'Pow', 'Reciprocal', 'Relu', 'Rsqrt', 'Rsub',
        'Sigmoid', 'Silu', 'Softplus', 'Sqrt', 'Sub', 'Tanh',
    }
)  # fmt: skip
_RECORDED: dict[str, tuple[str, str, str]] = {
    # node: rule; tensors, in the node's order; what the node keeps, '?': if
    'AdaptiveAvgPool2D': ('_adaptive_avg_pool2d', 'self', ''),
    'Addmm': ('addmm', 'self mat1 mat2', ''),
    'Alias': ('alias', 'self', ''),
    'Amax': ('amax', 'self', 'dim keepdim'),
    'AvgPool2D': ('avg_pool2d', 'self', 'kernel_size stride padding'),
    'Baddbmm': ('baddbmm', 'self batch1 batch2', ''),
    'Bmm': ('bmm', 'self mat2', ''),
    'Cat': ('cat', '*tensors', 'dim'),
    'ChannelShuffle': ('channel_shuffle', 'self', ''),
    'Col2Im': ('col2im', 'self', 'kernel_size dilation padding stride'),
    'ConstantPadNd': ('constant_pad_nd', 'self', 'pad'),
    'Convolution': (
        'convolution', 'input', 'weight stride padding dilation transposed '
        'groups'
    ),
    'CudnnBatchNorm': ('cudnn_batch_norm', 'input', ''),
    'Expand': ('expand', 'self', ''),
    'Flip': ('flip', 'self', 'dims'),
    'Glu': ('glu', 'self', 'dim'),
    'Hardswish': ('hardswish', 'self', ''),
    'Im2Col': ('im2col', 'self', 'kernel_size dilation padding stride'),
    'LinalgVectorNorm': ('linalg_vector_norm', 'self', 'dim keepdim'),
    'LogSoftmax': ('_log_softmax', 'self', ''),
    'Max': ('max', 'self', 'dim keepdim'),
    'MaxPool2DWithIndices': (
        'max_pool2d_with_indices', 'self', 'kernel_size stride padding '
        'dilation'
    ),
    'Mean': ('mean', 'self', 'dim keepdim'),
    'Mm': ('mm', 'self mat2', ''),
    'NativeBatchNorm': ('native_batch_norm', 'input', ''),
    'NativeGroupNorm': ('native_group_norm', 'input', ''),
    'NativeLayerNorm': ('native_layer_norm', 'input', 'normalized_shape'),
    'Permute': ('permute', 'self', 'dims'),
    'PixelShuffle': ('pixel_shuffle', 'self', 'upscale_factor'),
    'PixelUnshuffle': ('pixel_unshuffle', 'self', 'downscale_factor'),
    'PreluKernel': ('_prelu_kernel', 'self', ''),
    'ReflectionPad2D': ('reflection_pad2d', 'self', 'padding'),
    'Repeat': ('repeat', 'self', 'repeats'),
    'ReplicationPad2D': ('replication_pad2d', 'self', 'padding'),
    'ReshapeAlias': ('_reshape_alias', 'self', ''),
    'Roll': ('roll', 'self', 'shifts dims'),
    'SafeSoftmax': ('_safe_softmax', 'self', ''),
    'ScaledDotProductEfficientAttention': (
        '_scaled_dot_product_efficient_attention', 'query key value', ''
    ),
    'ScaledDotProductFlashAttention': (
        '_scaled_dot_product_flash_attention', 'query key value', ''
    ),
    'ScaledDotProductFlashAttentionForCpu': (
        '_scaled_dot_product_flash_attention_for_cpu', 'query key value', ''
    ),
    'Select': ('select', 'self', 'dim index'),
    'Slice': ('slice', 'self', 'dim start step'),
    'Softmax': ('_softmax', 'self', ''),
    'Split': ('split', 'self', 'dim'),
    'SplitWithSizes': ('split_with_sizes', 'self', 'dim'),
    'Squeeze': ('squeeze', 'self', 'dim?'),
    'Stack': ('stack', '*tensors', 'dim'),
    'Sum': ('sum', 'self', 'dim? keepdim?'),
    'T': ('t', 'self', ''),
    'ToCopy': ('_to_copy', 'self', ''),
    'Transpose': ('transpose', 'self', 'dim0 dim1'),
    'Unbind': ('unbind', 'self', 'dim'),
    'Unfold': ('unfold', 'self', 'dimension size step'),
    'UnsafeView': ('_unsafe_view', 'self', ''),
    'Unsqueeze': ('unsqueeze', 'self', 'dim'),
    'UpsampleBicubic2D': (
        'upsample_bicubic2d', 'self', 'align_corners scales_h scales_w'
    ),
    'UpsampleBilinear2D': (
        'upsample_bilinear2d', 'self', 'align_corners scales_h scales_w'
    ),
    'UpsampleNearest2D': ('upsample_nearest2d', 'self', 'scales_h scales_w'),
    'UpsampleNearestExact2D': (
        '_upsample_nearest_exact2d', 'self', 'scales_h scales_w'
    ),
    'View': ('view', 'self', ''),
}  # fmt: skip


class NodeRule(NamedTuple):
    """The operation of a kind of node.

    Attributes:
        rule (Rule): Where what it returns sits.
        tensors (tuple of str): Names of its tensors, in the node's order;
            ``*operands`` and ``*tensors`` stand for all of them, the former
            without constants.
        kept (tuple of str): Names of what a node keeps of its arguments; one
            that ends in ``?`` is there if it was given.
    """

    rule: Rule
    tensors: tuple[str, ...]
    kept: tuple[str, ...]

    def arguments(self, node: Any) -> Iterator[tuple[str, Any]]:
        """What a node keeps of its operation's arguments, by name.

        Raises:
            AttributeError, RuntimeError: If it does not keep one of them.
        """
        for name in self.kept:
            name, given, _ = name.partition('?')
            value = _kept(node, name)
            if value is not _NOT_KEPT:
                yield name, _signed(value)
            elif not given:
                raise AttributeError(f'{node.name()} keeps no {name}')


def _kept(node: Any, name: str) -> Any:
    if hasattr(node, f'_raw_saved_{name}'):
        tensor = kept_tensor(node, name)
        return _NOT_KEPT if tensor is None else tensor
    return getattr(node, f'_saved_{name}', _NOT_KEPT)


@cache
def recorded(name: str) -> NodeRule | None:
    """The operation of a node; None for one that is not read off a graph.

    Args:
        name (str): The node's, such as ``'ConvolutionBackward0'``.
    """
    found = re.fullmatch(r'(\w+)Backward\d', name)
    if found is None:
        return None
    if found[1] in _ENTRY_BY_ENTRY:
        return NodeRule(follow_pointwise, ('*operands',), ())
    if found[1] not in _RECORDED:
        return None
    rule, tensors, kept = _RECORDED[found[1]]
    return NodeRule(RULES[rule], tuple(tensors.split()), tuple(kept.split()))


def _signed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_signed, value))
    if type(value) is int and value >= UNSIGNED:
        return value - 2 * UNSIGNED
    return value
