"""Whether the operations of a forward keep the images of a batch apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..aten import AtenMode, named_arguments, tensors_in
from ..errors import ModelError
from ..following.tags import Tags
from .apart_rules import keeps_apart
from .apart_run import ImageAxis, Run, TensorShape

# They change no value and no shape, or have none yet; a layout decides whether
# they are run.
_COPIES = {
    'empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided',
    'clone', 'alias', 'detach', '_to_copy', 'contiguous',
}  # fmt: skip
_VIEWS = {'_unsafe_view': 'view', '_reshape_alias': 'view'}
_WRITES_ALL = {'copy_', 'fill_', 'zero_'}
_OF_A_FORM = {  # made for a tensor's shape, whatever its values
    'full_like', 'new_full', 'new_ones', 'new_zeros', 'ones_like',
    'zeros_like',
}  # fmt: skip


class _Operation(NamedTuple):
    """An operation, as it was run.

    Attributes:
        name (str): Without ``aten::``; views have one name.
        numbers (list): Its arguments but the tensors.
        taken, made (list): Shapes of the tensors that it takes and makes.
        constant (Tensor, optional): Numbers that the model has written down.
        fill (float, optional): The number that fills a tensor.
    """

    name: str
    numbers: list[Any]
    taken: list[TensorShape]
    made: list[TensorShape]
    constant: Tensor | None
    fill: Any


class Operations(AtenMode):
    """While active, notes the operations of a forward.

    Args:
        count (int): Images of the forward.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.every: list[_Operation] = []

    def restart(self) -> None:
        """Forget what an earlier forward ran."""
        self.every.clear()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, and note it."""
        out = func(*args, **(kwargs or {}))
        arguments = named_arguments(func, args, kwargs or {})
        noted = _noted(func, arguments, out)
        if noted is not None:
            self.every.append(noted)
        return out


class Compared(AtenMode):
    """While active, compares a forward with one of fewer images.

    Args:
        fewer (Operations): Of that forward; this one may end earlier.
        count (int): Images of this forward.

    Attributes:
        why (str, optional): Why images may depend on each other.
        others (bool): Whether it runs other operations, as a forward of one
            image may do where a layout means nothing.
    """

    def __init__(self, fewer: Operations, count: int) -> None:
        super().__init__()
        self.fewer, self.count, self.number = fewer, count, 0
        self.why: str | None = None
        self.others = False
        self._rounds: Any = Tags()  # here, a tag is a number

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, and compare it."""
        out = func(*args, **(kwargs or {}))
        if self.why is None:
            arguments = named_arguments(func, args, kwargs or {})
            now = _noted(func, arguments, out)
            if now is not None:
                self.why = self._compare(func, arguments, out, now)
                if self.why is not None:  # the rest would be for nothing
                    raise ModelError(self.why)
            else:
                self._note_copy(args, out)
        return out

    def note_images(self, images: Tensor) -> None:
        """Say which images (N, C, H, W) the forward is of."""
        self._rounds.set(images, 1)

    def note_values(self, tensor: Tensor) -> None:
        """Note that a tensor's values are handed to Python."""
        if self._rounds.of(tensor) is not None:
            self.why = self.why or 'values decide what a batch runs'

    def _compare(
        self, func: Any, arguments: dict, out: Any, now: _Operation
    ) -> str | None:
        if self.number >= len(self.fewer.every):
            self.others = True
            return 'a batch runs more operations than an image'
        few = self.fewer.every[self.number]
        self.number += 1
        if few.name != now.name:
            self.others = True
            return f'a batch runs {now.name} where an image runs {few.name}'
        mixes = f'{now.name} may mix images'
        taken = self._axes(few.taken, now.taken)
        made = self._axes(few.made, now.made)
        if taken is None or made is None:
            self.others = True
            return mixes
        if few.fill != now.fill:
            return f'{now.name} makes other numbers'
        if now.name in _OF_A_FORM:
            if made[0][1] is not None:
                self._note_rounds(out, 1)
            return None
        tensors = tensors_in(arguments)
        holding, agree = [], few.numbers == now.numbers
        for tensor, (_, axis) in zip(tensors, taken, strict=True):
            if axis is not None:
                holding.append((tensor, axis))
            elif self._rounds.of(tensor) is not None:
                return mixes  # it holds images, and is as long as for one
        if few.constant is not None or not holding:
            if self._same_for_each(few, now, out, made, agree):
                return None
            return f'{now.name} makes other numbers for each image'
        overwritten = out if now.name in _WRITES_ALL else None
        if not self._known_or_same(holding, overwritten):
            return 'a tensor has other numbers for each image'
        pointwise = torch.Tag.pointwise in func.tags
        run = Run(
            now.name, pointwise, arguments, taken, made, agree,
            self._rounds_of([tensor for tensor, _ in holding]), self.count,
        )  # fmt: skip
        if not (run.rounds and keeps_apart(run)):
            return mixes
        self._note_rounds(out, run.made_rounds)
        return None

    def _known_or_same(
        self,
        holding: Sequence[tuple[Tensor, int]],
        overwritten: Tensor | None,
    ) -> bool:
        """Whether tensors that come from outside are the same for each image.

        Args:
            holding (sequence): Tensors, each with its image axis.
            overwritten (Tensor, optional): One whose numbers were others.
        """
        for tensor, axis in holding:
            if self._rounds.of(tensor) is None:
                if tensor is not overwritten and not _rows_equal(
                    tensor, axis, self.count
                ):
                    return False
                self._rounds.set(tensor, 1)
        return True

    def _note_copy(self, args: tuple, out: Any) -> None:
        known = self._rounds_of(tensors_in(args))
        if known:
            self._note_rounds(out, known)

    def _rounds_of(self, tensors: Sequence[Tensor]) -> int:
        """How often images take turns along the axes of tensors; 0 if lost."""
        every = {self._rounds.of(tensor) for tensor in tensors}
        (rounds,) = every if len(every) == 1 else (0,)
        return rounds if isinstance(rounds, int) else 0

    def _note_rounds(self, out: Any, rounds: int) -> None:
        for tensor in tensors_in(out):
            self._rounds.set(tensor, rounds)

    def _axes(
        self, few: Sequence[TensorShape], now: Sequence[TensorShape]
    ) -> list[tuple[TensorShape, ImageAxis]] | None:
        """Each tensor's shape and image axis; None if one tells of none."""
        if len(few) != len(now):
            return None
        found: list[tuple[TensorShape, ImageAxis]] = []
        for one, several in zip(few, now, strict=True):
            if len(one) != len(several):
                return None
            longer = [i for i, n in enumerate(one) if n != several[i]]
            if len(longer) > 1 or any(
                several[i] * self.fewer.count != self.count * one[i]
                for i in longer
            ):
                return None
            found.append((several, longer[0] if longer else None))
        return found

    def _same_for_each(
        self,
        few: _Operation,
        now: _Operation,
        out: Any,
        made: Sequence[tuple[TensorShape, ImageAxis]],
        agree: bool,
    ) -> bool:
        """Whether what is made of no image is the same for each."""
        held = [axis is not None for _, axis in made]
        if few.constant is not None and not any(held):
            return now.constant is not None and torch.equal(
                now.constant, few.constant
            )
        if not agree and not (all(held) and _floats(few) == _floats(now)):
            return False  # it is handed more than other sizes
        return all(
            _rows_equal(tensor, axis, self.count)
            for tensor, (_, axis) in zip(tensors_in(out), made, strict=True)
            if axis is not None
        )


def _floats(operation: _Operation) -> list[float]:
    return [n for n in operation.numbers if isinstance(n, float)]


def _rows_equal(tensor: Tensor, axis: int, count: int) -> bool:
    """Whether so many parts of a tensor along an axis are all equal."""
    first, *others = tensor.chunk(count, axis)
    return all(torch.equal(first, other) for other in others)


def _noted(func: Any, arguments: dict, out: Any) -> _Operation | None:
    """An operation as it was run; None for a copy."""
    name = func._schema.name.removeprefix('aten::')
    if name in _COPIES:
        return None
    numbers: list[Any] = []
    taken: list[TensorShape] = []
    _sort(list(arguments.values()), numbers, taken)
    made = [tuple(tensor.shape) for tensor in tensors_in(out)]
    constant = out.detach().clone() if name == 'lift_fresh' else None
    fill, name = arguments.get('fill_value'), _VIEWS.get(name, name)
    return _Operation(name, numbers, taken, made, constant, fill)


def _sort(
    values: Sequence, numbers: list[Any], shapes: list[TensorShape]
) -> None:
    """Arguments as shapes of tensors, and other values."""
    for value in values:
        if isinstance(value, Tensor):
            shapes.append(tuple(value.shape))
        elif isinstance(value, (list, tuple)):
            _sort(value, numbers, shapes)
        elif not isinstance(value, torch.Generator):
            numbers.append(value)
