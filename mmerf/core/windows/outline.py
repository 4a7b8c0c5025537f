"""What a forward does, whatever the size of its image.

A window is found on parts of an image. If the model does something else with
the whole of it (a branch on a size, a factor that follows from one), nothing
that is known of the parts serves, and values may agree none the less: a branch
is dead for one image and not for the next, a gradient is scaled alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from ..aten import AtenMode, MemoryNotes, storage_of, tensors_in
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
# Whose whole numbers may be sizes; so may those of what makes spectra, or
# resizes to a given size.
_SIZED = _words(
    'zeros ones rand randn new_zeros new_ones eye repeat tile roll unbind '
    'split split_with_sizes unsafe_split unsafe_split_with_sizes col2im '
    'repeat_interleave topk max_unpool2d affine_grid_generator'
)
_RESIZING = ('upsample', '_upsample', 'adaptive', '_adaptive', '_fft')
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
        self._makers = MemoryNotes[int]()  # the step that made what it holds
        self._makers.set(image, IMAGE)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        inputs = tensors_in((args, kwargs))
        makers = [self._makers.of(tensor, CONSTANT) for tensor in inputs]
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix('aten::').removesuffix('_')
        step = len(self.steps)
        if name in _LEFT_OUT:
            step = max(makers, default=CONSTANT)
        else:
            told = _numbers_for(name, args, kwargs or {})
            self.steps.append((name, *told, *makers))
        held = {storage_of(tensor) for tensor in inputs}
        for tensor in tensors_in(out):
            if func._schema.is_mutable or storage_of(tensor) not in held:
                self._makers.set(tensor, step)
        return out


def agree(whole: list[tuple], parts: Iterable[list[tuple]]) -> bool:
    """Whether parts of an image do what the whole does, and perhaps more."""
    return all(part[: len(whole)] == whole for part in parts)


def _numbers_for(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterable[Any]:
    """An operation's numbers that are no sizes."""
    if name == 'lift_fresh':  # made from numbers of Python's
        with _disable_current_modes():  # what reads here is no operation
            return args[0].flatten().tolist()[:FEW]
    if name in _FILLING:
        return [v for v in args if isinstance(v, (bool, int, float))]
    if name in _COUNTING:
        return ()
    exact = name not in _SIZED and not name.startswith(_RESIZING)
    return _all_numbers([*args, *kwargs.values()], exact)


def _all_numbers(values: Sequence[Any], exact: bool) -> Iterator[Any]:
    """Arguments but tensors; if not exact, none that may be a size."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _all_numbers(value, exact)
        elif isinstance(value, float) or (
            exact and not isinstance(value, Tensor)
        ):
            yield value
