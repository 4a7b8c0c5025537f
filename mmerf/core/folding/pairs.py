"""Which batch norm follows which convolution: observed in a forward pass.

A batch norm is folded where it alone reads a convolution's output, and that
convolution alone its weights. What else reads them, also without gradient or
through a view, shows as an operation on the same memory, whatever the values
are. Where values decide what is run, one forward does not show it, and nothing
is folded. Only torch's own modules are, without hooks.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules import module as torchs
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from ..aten import AtenMode, deciding, storage_of, tensors_in
from ..batch import Forward
from ..running.intercept import HandedToPython, is_rerouted

_NORMS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)
_HOOKS = (
    '_forward_hooks', '_forward_pre_hooks',
    '_backward_hooks', '_backward_pre_hooks',
)  # fmt: skip
# What reads the tensors that these make is seen by their memory.
_NAMES_ALONE = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)
_OF_NONE: tuple = (None, lambda: None, None)


def is_foldable(module: nn.Module) -> bool:
    """Whether a module is torch's own convolution or batch norm, unhooked."""
    if is_rerouted(module) or 'forward' in module.__dict__:
        return False
    if any(getattr(module, name, None) for name in _HOOKS):
        return False
    if torchs._global_forward_hooks or torchs._global_forward_pre_hooks:
        return False
    own: Any = module._parameters
    if isinstance(module, nn.Conv2d):
        return (
            type(module).forward is nn.Conv2d.forward
            and type(module)._conv_forward is nn.Conv2d._conv_forward
            and own.get('weight') is not None
            and 'bias' in own
            and not is_lazy(own['weight'])
        )
    return (
        isinstance(module, _BatchNorm)
        and type(module).forward in _NORMS
        and module.running_mean is not None
        and not is_lazy(module.running_mean)
        and own.keys() >= {'weight', 'bias'}
    )


class PairFinder:
    """Observes which batch norm is called on a convolution's own output.

    Args:
        model (nn.Module): In eval mode.
        keep (set of nn.Module): Modules whose own output is measured: they
            are not folded.
    """

    def __init__(self, model: nn.Module, keep: set[nn.Module]) -> None:
        modules = [m for m in model.modules() if m not in keep]
        able = [m for m in modules if is_foldable(m)]
        self.convs = [m for m in able if isinstance(m, nn.Conv2d)]
        self.norms = [m for m in able if isinstance(m, _BatchNorm)]
        self.calls: dict[nn.Module, int] = {}
        self.conv_before: dict[nn.Module, nn.Conv2d] = {}
        self.readers = _Readers(self.convs)

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
            for conv in self.convs:
                hook = conv.register_forward_hook(self._on_conv_output)
                handles.append(hook)
            for norm in self.norms:
                handles += [
                    norm.register_forward_pre_hook(
                        self._on_norm_input, with_kwargs=True
                    ),
                    norm.register_forward_hook(self._on_norm_output),
                ]
            with self.readers, HandedToPython(self.readers.notice_values):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _on_conv_output(self, conv: Any, inputs: Any, output: Any) -> None:
        self.calls[conv] = self.calls.get(conv, 0) + 1
        self.readers.watch(conv, output)

    def _on_norm_input(self, norm: Any, inputs: Any, named: dict) -> None:
        self.calls[norm] = self.calls.get(norm, 0) + 1
        given = inputs[0] if inputs else named.get('input')
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
            and self.readers.read_once(conv)
            and norm.running_mean.shape == (conv.out_channels,)
        ]


class _Readers(AtenMode):
    """Which operations read convolutions' outputs and weights.

    Args:
        convs (sequence of nn.Conv2d): Whose weights are watched.

    Attributes:
        allowed (Tensor, optional): An output that may be read just now.
        decides (bool): Whether a value was read by Python, or the size of a
            tensor follows from values.
    """

    def __init__(self, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.allowed: Tensor | None = None
        self.decides = False
        self._read: set[nn.Module] = set()
        # By the output's memory; the name is used again once it is gone.
        self._outputs: dict[Any, tuple[nn.Module, Any, StorageWeakRef]] = {}
        self._weights: dict[Any, list[nn.Module]] = {}
        self._uses: dict[nn.Module, list[Any]] = {}
        for conv in convs:
            for own in conv.parameters(recurse=False):
                self._weights.setdefault(storage_of(own), []).append(conv)

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

    def read_once(self, conv: nn.Module) -> bool:
        """Whether its output was read as allowed, its weights by it alone."""
        uses = self._uses.get(conv, [])
        return conv not in self._read and len(uses) == len(set(uses))

    def notice_values(self, tensor: Tensor) -> None:
        """Notice that a tensor's values are handed to Python."""
        self.decides = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        read = [] if func in _NAMES_ALONE else tensors_in((args, kwargs))
        for tensor in read:
            memory = storage_of(tensor)
            conv, *_ = self._outputs.get(memory, _OF_NONE)
            if conv is not None and tensor is not self.allowed:
                self._read.add(conv)
            for conv in self._weights.get(memory, ()):
                self._uses.setdefault(conv, []).append(memory)
        self.decides |= bool(deciding(func, args))
        return func(*args, **(kwargs or {}))
