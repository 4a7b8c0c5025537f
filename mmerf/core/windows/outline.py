"""What a forward does, whatever the size of its image.

A window is found on parts of an image. If the model does something else with
the whole of it (a branch on a size, a factor that follows from one), nothing
that is known of the parts serves, and values may agree none the less: a branch
is dead for one image and not for the next, a gradient is scaled alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import _disable_current_modes

from ..aten import AtenMode, storage_of, tensors_in
from ..batch import Forward
from ..running.afresh import afresh

IMAGE, CONSTANT = -1, -2  # what no step has made
FEW = 64  # numbers of a tensor that is made from Python's


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# What copies or shows numbers, or cuts and pads to a size.
_LEFT_OUT = _words(
    'clone contiguous copy _to_copy view _unsafe_view reshape _reshape_alias '
    'expand as_strided empty empty_like empty_strided new_empty alias squeeze '
    'unsqueeze lift_fresh_copy slice select narrow constant_pad_nd'
)
# Besides those that work place by place: whose numbers are no sizes.
_EXACT = _words(
    'convolution native_batch_norm native_layer_norm native_group_norm '
    'max_pool2d_with_indices avg_pool2d im2col pixel_shuffle pixel_unshuffle '
    'cumsum sum mean var std amax amin _softmax reflection_pad2d '
    'replication_pad2d'
)
_FILLING = _words('full full_like new_full fill scalar_tensor')
_COUNTING = _words('arange linspace logspace')


class OutlinedForward:
    """A forward that finds a model as it was, and lists what it does.

    Args:
        model (nn.Module): That the forward runs.
        forward (callable): ``forward(images, positions)``.

    Attributes:
        steps (list of tuple): Operations of the latest run, in order, each
            with those of its numbers that are no sizes, and the steps that
            made the tensors that it is given.

    Example:
        >>> import torch
        >>> relu = torch.nn.ReLU()
        >>> run = OutlinedForward(relu, lambda x, _: relu(x) / x.shape[3])
        >>> found = []
        >>> for side in (4, 6):
        ...     _ = run(torch.ones(1, 3, side, side), [0])
        ...     found.append(run.steps)
        >>> found
        [[('relu', -1), ('div', 4, 0)], [('relu', -1), ('div', 6, 0)]]
    """

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        self.steps: list[tuple] = []
        self._forward = forward
        self._run = afresh(model, self._listed)

    def __call__(self, images: Tensor, positions: Sequence[int]) -> Any:
        """What the model returns."""
        return self._run(images, positions)

    def _listed(self, images: Tensor, positions: Sequence[int]) -> Any:
        self.steps = []
        with _Outline(self.steps, images):
            return self._forward(images, positions)


class _Outline(AtenMode):
    def __init__(self, steps: list[tuple], image: Tensor) -> None:
        super().__init__()
        self.steps = steps
        # The step that made what memory holds, by its address while it lives.
        self._makers: dict[int, tuple[StorageWeakRef, int]] = {}
        self._note_maker(image, IMAGE)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        inputs = tensors_in((args, kwargs))
        makers = [self._maker_of(tensor) for tensor in inputs]
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix('aten::').removesuffix('_')
        step = len(self.steps)
        if name in _LEFT_OUT:
            step = max(makers, default=CONSTANT)
        else:
            self.steps.append((name, *_numbers_for(func, name, args), *makers))
        held = {storage_of(tensor) for tensor in inputs}
        for tensor in tensors_in(out):
            if func._schema.is_mutable or storage_of(tensor) not in held:
                self._note_maker(tensor, step)
        return out

    def _maker_of(self, tensor: Tensor) -> int:
        found = self._makers.get(storage_of(tensor) or 0)
        return CONSTANT if found is None or found[0].expired() else found[1]

    def _note_maker(self, tensor: Tensor, maker: int) -> None:
        address = storage_of(tensor)
        if address is not None:
            ref = StorageWeakRef(tensor.untyped_storage())
            self._makers[address] = ref, maker


def agree(whole: list[tuple], parts: Iterable[list[tuple]]) -> bool:
    """Whether parts of an image do what the whole does, and perhaps more."""
    return all(part[: len(whole)] == whole for part in parts)


def _numbers_for(func: Any, name: str, args: Sequence[Any]) -> Iterable[Any]:
    """An operation's numbers that are no sizes."""
    if name == 'lift_fresh':  # made from numbers of Python's
        with _disable_current_modes():  # what reads here is no operation
            return args[0].flatten().tolist()[:FEW]
    if name in _FILLING:
        return [v for v in args if isinstance(v, (bool, int, float))]
    if name in _COUNTING:
        return ()
    exact = name in _EXACT or torch.Tag.pointwise in func.tags
    return _all_numbers(args, exact)


def _all_numbers(values: Sequence[Any], exact: bool) -> Iterator[Any]:
    """Arguments but tensors; if not exact, none that may be a size."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _all_numbers(value, exact)
        elif isinstance(value, float) or (
            exact and not isinstance(value, Tensor)
        ):
            yield value
