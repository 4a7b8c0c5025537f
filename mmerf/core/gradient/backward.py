"""The gradient of a score with respect to the input."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ..errors import LayerError, one_line
from ..running.memory import is_out_of_memory
from ..running.precision import gradient_scale
from .box_tensor import to_plain
from .mended_backward import MendedBackward, mended_norms
from .sparse_backward import SparseBackward
from .worth import LEAST_GAIN, OWN_BACKWARD, Graph, graph_of

NO_ZEROS = 'few zeros to skip'
LEAST_NEW = 0.4  # of a graph's work: less is not worth a search of its own


class Gradients:
    """Backward passes of a measurement, one after another.

    On a CPU they work only where the gradient is not zero, which saves most
    of the arithmetic. On a GPU ordinary autograd runs, since there each small
    step would cost more than it saves. A layer whose model has backward code
    that cannot take this falls back to ordinary autograd from then on.

    Attributes:
        fallbacks (dict[str, str]): By layer key, why it fell back.
    """

    def __init__(self) -> None:
        self.fallbacks: dict[str, str] = {}
        self._seen: set[tuple] = set()  # keys, sizes, layouts
        self._worked: set[str] = set()  # layer keys, with skipped zeros
        self._mended: set[str] = set()  # layer keys, see ``Graph.norms``
        self._in_vain = 0  # work in a graph that was searched for zeros

    def of(self, key: str, score: Tensor, leaf: Tensor, retain: bool) -> Any:
        """The input gradient of the summed scores of a layer.

        Args:
            key (str): The layer's key: names the layer in errors, and says
                which layers have fallen back to ordinary autograd.
            score (Tensor): Shape (N,), with its graph.
            leaf (Tensor): The input, (N, C, H, W), that requires a gradient.
            retain (bool): Keep the graph for another backward pass.

        Returns:
            Tensor: Shape (N, C, H, W).

        Raises:
            LayerError: If the score does not depend on the input.
            RuntimeError: If ordinary autograd fails; starts with ``key``.
        """
        gradient = None
        if score.requires_grad:
            gradient = self._scaled(key, score, leaf, retain)
        if gradient is None:
            raise no_gradient_error(key)
        return gradient

    def _scaled(
        self, key: str, score: Tensor, leaf: Tensor, retain: bool
    ) -> Tensor | None:
        """The gradient; under float16 that of the score scaled up.

        The scale falls until the gradient is finite, and is divided out.
        """
        scale = gradient_scale(leaf.device.type)
        while True:
            total = score.sum() * scale
            gradient = self._backward(key, total, leaf, retain or scale > 1)
            if scale == 1 or gradient is None:
                return gradient
            if gradient.isfinite().all():
                return gradient / scale
            scale = max(scale / 16, 1.0)

    def _backward(
        self, key: str, total: Tensor, leaf: Tensor, retain: bool
    ) -> Tensor | None:
        on_cpu = leaf.device.type == 'cpu'
        sparse = on_cpu and key not in self.fallbacks
        mended: Any = nullcontext()
        faster = not leaf.is_contiguous()
        this = key, leaf.shape, faster
        if sparse or this not in self._seen or key in self._mended:
            self._seen.add(this)
            graph = graph_of(total, channels_last=faster)
            if on_cpu and (graph.norms or graph.hides):
                self._mended.add(key)
                hides, norms = graph.hides, graph.norms
                mended = MendedBackward() if hides else mended_norms(norms)
            own = OWN_BACKWARD in (graph.refusal or '')
            if graph.refusal and (sparse or own):  # the latter for good
                self.fallbacks[key] = graph.refusal
                sparse = False
            elif sparse and self._is_in_vain(graph):
                self.fallbacks[key] = NO_ZEROS
                sparse = False
        may_start_again = sparse and key not in self._worked
        skipping = SparseBackward() if sparse else None
        try:
            with skipping or mended:
                (gradient,) = torch.autograd.grad(
                    total,
                    leaf,
                    retain_graph=retain or may_start_again,
                    allow_unused=True,
                )
        except RuntimeError as error:  # out of memory is one of these
            if not may_start_again or is_out_of_memory(error):
                raise type(error)(f'{key}: {error}') from None
            self.fallbacks[key] = one_line(error, 80)
            return self._backward(key, total, leaf, retain)
        if skipping is not None:
            self._worked.add(key)
            if skipping.gain < LEAST_GAIN:
                self.fallbacks[key] = NO_ZEROS
                self._in_vain = max(self._in_vain, graph.work)
        return to_plain(gradient)

    def _is_in_vain(self, graph: Graph) -> bool:
        """Whether a graph is one more that has few zeros to skip.

        A deeper layer's graph holds that of a shallower one, where fields
        are as large; what it has beyond that may have zeros.
        """
        beyond = graph.work - self._in_vain
        return self._in_vain > 0 and 0 <= beyond < LEAST_NEW * graph.work


def no_gradient_error(key: str) -> LayerError:
    """The error for a layer whose output has no gradient."""
    return LayerError(
        f'{key}: its output does not depend on the image through '
        'differentiable operations (a constant, a no_grad block, an '
        'argmax or a quantised module lies between); choose another '
        'layer, or an attribution without gradients: NoiseVariance '
        'or Occlusion'
    )
