"""What a forward pass does with the output of some modules."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aten import (
    AtenMode,
    named_arguments,
    storage_of,
    tensors_in,
    written_to,
)

ADDED, CONCATENATED, MULTIPLIED = 'added', 'concatenated', 'multiplied'
_JOINING = dict.fromkeys(('add', 'sub', 'rsub'), ADDED) | dict.fromkeys(
    ('cat', 'concat', 'concatenate', 'stack'), CONCATENATED
)
_SCALING = frozenset({'mul', 'div'})
# Zero stays zero, and every number stays a number of this tensor alone.
_MOVING = frozenset(
    {
        'view', '_unsafe_view', '_reshape_alias', 'reshape', 'permute',
        'transpose', 't', 'squeeze', 'unsqueeze', 'expand', 'flatten',
        'unflatten', 'slice', 'select', 'narrow', 'unbind', 'split',
        'split_with_sizes', 'chunk', 'alias', 'detach', 'clone', 'contiguous',
        '_to_copy', 'as_strided', 'roll', 'flip', 'repeat', 'pixel_shuffle',
        'pixel_unshuffle', 'constant_pad_nd', 'avg_pool2d',
        'adaptive_avg_pool2d', '_adaptive_avg_pool2d', 'upsample_nearest2d',
        'upsample_bilinear2d', 'upsample_bicubic2d',
        '_upsample_nearest_exact2d', '_upsample_bilinear2d_aa', 'neg',
        'native_dropout', 'dropout',
    }
)  # fmt: skip
_Key = tuple[int, int, tuple[int, ...], tuple[int, ...]]


class UseWatch(AtenMode):
    """Notes what operations do with the outputs that it is told of.

    An output that is moved, resized or scaled by a constant is still that
    output. Whether another operand depends on the image is read from its
    ``requires_grad``: so the images have to require a gradient, and
    parameters must not.

    Attributes:
        uses (dict[str, set[str]]): By the name of an output, ``'added'`` to
            or ``'concatenated'`` with another tensor that depends on the
            image, ``'multiplied'`` by one, or the name of any other
            operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[str, set[str]] = {}
        # The tensors are kept, so that no other takes their place in memory.
        self._known: dict[_Key, tuple[Tensor, set[str]]] = {}

    def returned(self, name: str, output: Tensor) -> None:
        """Note that a tensor is the output of a name from now on."""
        self.uses.setdefault(name, set())
        self._name(output, {name})

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        arguments = named_arguments(func, args, kwargs or {})
        inputs = tensors_in(arguments)
        named = [(t, n) for t in inputs if (n := self._names(t))]
        operation = func._schema.name.removeprefix('aten::').removesuffix('_')
        uses = [
            (_use(operation, t, arguments, inputs), names)
            for t, names in named
        ]
        out = func(*args, **(kwargs or {}))
        for tensor in written_to(func, arguments):
            self._forget(tensor)
        for use, names in uses:
            if use is None:
                for tensor in tensors_in(out):
                    self._name(tensor, names)
                continue
            for name in names:
                self.uses[name].add(use)
        return out

    def _names(self, tensor: Tensor) -> set[str]:
        key = _key(tensor)
        found = None if key is None else self._known.get(key)
        return set() if found is None else set(found[1])

    def _name(self, tensor: Tensor, names: set[str]) -> None:
        key = _key(tensor)
        if key is not None:
            self._known[key] = tensor, self._names(tensor) | names

    def _forget(self, tensor: Tensor) -> None:
        """Forget every name of what was written over."""
        memory = storage_of(tensor)
        for key in [key for key in self._known if key[0] == memory]:
            del self._known[key]


def _use(
    operation: str,
    tensor: Tensor,
    arguments: dict[str, Any],
    inputs: list[Tensor],
) -> str | None:
    """What an operation does with one of its inputs; None: it moves it."""
    others = any(
        other is not tensor and other.requires_grad for other in inputs
    )
    if operation in _JOINING:
        if others:
            return _JOINING[operation]
        return None if _adds_nothing(arguments) else operation
    if operation in _SCALING:
        if others:
            return MULTIPLIED
        scaled = operation == 'mul' or arguments['self'] is tensor
        return None if scaled else operation
    return None if operation in _MOVING else operation


def _adds_nothing(arguments: dict[str, Any]) -> bool:
    """Whether the number 0 is added, as Python's ``sum`` begins."""
    number = arguments.get('other')
    if isinstance(number, Tensor):
        return number.dim() == 0 and not bool(number)
    return number == 0


def _key(tensor: Tensor) -> _Key | None:
    """None for a tensor without memory, such as a sparse one."""
    memory = storage_of(tensor)
    if memory is None:
        return None
    place = int(tensor.storage_offset()), tuple(tensor.shape)
    return memory, *place, tuple(tensor.stride())
