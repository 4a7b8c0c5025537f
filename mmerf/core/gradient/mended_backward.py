"""Backward passes that are right where torch's own is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..aten import AtenMode, kept_tensor
from .box_tensor import BoxTensor, memory_format_of

_NORM_BACKWARD = torch.ops.aten.native_batch_norm_backward.default


class MendedBackward(AtenMode):
    """While active, gradients of batch norms are right on a CPU.

    With one image in the batch, a gradient that comes from tokens may have
    any stride over images. Beside an NCHW image, torch (2.13 does) then
    computes a wrong gradient of a batch norm, and of an instance norm, which
    is one.

    Example:
        >>> norm = torch.nn.InstanceNorm2d(3)
        >>> image = torch.randn(1, 3, 8, 8, requires_grad=True)
        >>> tokens = norm(image).permute(0, 2, 3, 1)
        >>> with MendedBackward():
        ...     (one,) = torch.autograd.grad(tokens[0, 4, 4].sum(), image)
        >>> one.shape
        torch.Size([1, 3, 8, 8])
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func is _NORM_BACKWARD:
            args = (_with_strides_of(args[0], args[1]), *args[1:])
        return func(*args, **(kwargs or {}))


@contextmanager
def mended_norms(norms: Sequence[Any]) -> Iterator[None]:
    """As ``MendedBackward``, for a graph that is there already.

    It is called at these nodes alone, and not at every operation.

    Args:
        norms (sequence of Node): The batch norms of the graph, whose images
            no hooks hand out.
    """
    handles = []
    try:
        for node in norms:
            handles.append(node.register_prehook(partial(_mended, node)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _mended(node: Any, gradients: tuple) -> tuple | None:
    first = gradients[0]
    if not isinstance(first, Tensor):  # nothing flows back
        return None
    return _with_strides_of(first, kept_tensor(node, 'input')), *gradients[1:]


def _with_strides_of(gradient: Any, image: Any) -> Any:
    """A gradient with the strides of the image that it belongs to."""
    if isinstance(gradient, BoxTensor) or gradient.stride() == image.stride():
        return gradient
    return gradient.clone(memory_format=memory_format_of(image))
