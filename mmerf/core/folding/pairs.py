"""Which batch norm follows which convolution: observed in a forward pass.

A batch norm is folded where it alone reads a convolution's output. What else
reads it, also without gradient or through a view, shows as an operation on the
same memory, whatever the values are. Where values decide what is run, one
forward does not show it, and nothing is folded.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy

from ..aten import AtenMode, storage_of, tensors_in
from ..batch import Forward
from ..running.intercept import is_rerouted

_READS_A_VALUE = ('aten::_local_scalar_dense', 'aten::equal')
_OF_NONE: tuple = (None, lambda: None, None)


class PairFinder:
    """Observes which batch norm is called on a convolution's own output.

    Args:
        model (nn.Module): In eval mode.
        keep (set of nn.Module): Modules whose own output is measured: they
            are not folded.
    """

    def __init__(self, model: nn.Module, keep: set[nn.Module]) -> None:
        self.convs = [
            m
            for m in model.modules()
            if isinstance(m, nn.Conv2d)
            and m not in keep
            and m._parameters.get('weight') is not None
            and 'bias' in m._parameters
            and not is_lazy(m.weight)
            and not (_sees_gradients(m) or is_rerouted(m))
        ]
        self.norms = [
            m
            for m in model.modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm)
            and m not in keep
            and m.running_mean is not None
            and not is_lazy(m.running_mean)
            and not (_sees_gradients(m) or is_rerouted(m))
        ]
        self.calls: dict[nn.Module, int] = {}
        self.conv_before: dict[nn.Module, nn.Conv2d] = {}
        self.readers = _Readers()

    def watched(self, forward: Forward) -> Forward:
        """A forward that is observed as it runs."""

        def run(images: Tensor, positions: Sequence[int]) -> Any:
            with self.watching():
                return forward(images, positions)

        return run

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on every convolution and batch norm, gone afterwards."""
        handles = []
        try:
            for conv in self.convs:  # first: other hooks are readers, too
                hook = conv.register_forward_hook(
                    self._on_conv_output, prepend=True
                )
                handles.append(hook)
            for norm in self.norms:
                handles += [
                    norm.register_forward_pre_hook(self._on_norm_input),
                    norm.register_forward_hook(self._on_norm_output),
                ]
            with self.readers:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _on_conv_output(self, conv: Any, inputs: Any, output: Any) -> None:
        self.calls[conv] = self.calls.get(conv, 0) + 1
        self.readers.watch(conv, output)

    def _on_norm_input(self, norm: Any, inputs: Any) -> None:
        self.calls[norm] = self.calls.get(norm, 0) + 1
        given = inputs[0] if inputs else None
        conv = self.readers.source_of(given)
        if conv is not None:
            self.conv_before[norm] = conv
            self.readers.allowed = given

    def _on_norm_output(self, norm: Any, inputs: Any, output: Any) -> None:
        self.readers.allowed = None

    def pairs(self) -> list[tuple[nn.Conv2d, Any]]:
        """Convolution and batch norm, where nothing else reads the former.

        Both run once in a forward; none, where values decide what is run.
        """
        if self.readers.decides:
            return []
        return [
            (conv, norm)
            for norm, conv in self.conv_before.items()
            if self.calls[norm] == 1 == self.calls[conv]
            and conv not in self.readers.read
            and norm.running_mean.shape == (conv.out_channels,)
        ]


class _Readers(AtenMode):
    """Which operations read the outputs of convolutions.

    Attributes:
        allowed (Tensor, optional): An output that may be read just now.
        read (set of nn.Module): Convolutions whose output was read otherwise.
        decides (bool): Whether a value was read by Python: for another image
            the forward may do something else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.allowed: Tensor | None = None
        self.read: set[nn.Module] = set()
        self.decides = False
        # By the output's memory; the name is used again once it is gone.
        self._outputs: dict[Any, tuple[nn.Module, Any, StorageWeakRef]] = {}

    def watch(self, conv: nn.Module, output: Any) -> None:
        """Watch a convolution's output from now on."""
        memory = storage_of(output) if isinstance(output, Tensor) else None
        if memory is not None:
            alive = StorageWeakRef(output.untyped_storage())
            self._outputs[memory] = conv, weakref.ref(output), alive

    def source_of(self, tensor: Any) -> Any:
        """The convolution whose own output a tensor is; None if of none."""
        if not isinstance(tensor, Tensor):
            return None
        conv, output, _ = self._outputs.get(storage_of(tensor), _OF_NONE)
        return conv if output() is tensor else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        for tensor in tensors_in((args, kwargs)):
            conv, *_ = self._outputs.get(storage_of(tensor), _OF_NONE)
            if conv is not None and tensor is not self.allowed:
                self.read.add(conv)
        self.decides |= func._schema.name in _READS_A_VALUE
        return func(*args, **(kwargs or {}))


def _sees_gradients(module: nn.Module) -> bool:
    """Whether backward hooks would see the gradient that folding scales."""
    return bool(module._backward_hooks or module._backward_pre_hooks)
