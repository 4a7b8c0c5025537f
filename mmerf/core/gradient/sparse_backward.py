"""Backward passes that only work where the gradient is not zero.

The gradient of one unit starts at one place and widens layer by layer, but
autograd computes every layer's whole grid, zeros and all. Here a gradient
travels as a :class:`BoxTensor`, which stores only the box outside of which it
is exactly zero, as long as every operation has a rule in ``BOX_RULES``; any
other operation gets the whole grid. Up to rounding, the result is that of
ordinary autograd.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .box_rules import GRADIENT_RULES, aten
from .box_tensor import BOX_RULES, BoxTensor, as_box_tensor, placed
from .mended_backward import MendedBackward
from .worth import is_worth_a_look, work_of

MISSES = 2  # in a row, after which no further box is looked for
# Picking a unit, or channels: gradients that are zero elsewhere.
_PICKED = (aten.select_backward.default, aten.slice_backward.default)
BOX_RULES |= GRADIENT_RULES


class SparseBackward(MendedBackward):
    """While active, backward passes compute on box tensors where they can.

    It looks for a box before each convolution of some size, until it has
    found none several times in a row: fields only grow towards the input.

    Example:
        >>> import torch
        >>> conv = torch.nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
        >>> image = torch.randn(1, 3, 16, 16, requires_grad=True)
        >>> score = conv(image)[0, :, 8, 8].sum()
        >>> with SparseBackward():
        ...     (gradient,) = torch.autograd.grad(score, image)
        >>> gradient
        BoxTensor((1, 3, 3, 3) of (1, 3, 16, 16))
    """

    def __init__(self) -> None:
        super().__init__()
        self._misses = 0
        self._work = self._skipped = 0

    @property
    def gain(self) -> float:
        """Share of large convolutions' work that was skipped, 0 to 1."""
        return self._skipped / self._work if self._work else 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        if func is aten.convolution_backward.default:
            args = (self._look(args[0], args[2]), *args[1:])
        elif func in _PICKED:
            found = _box_of_picked(func, *args)
            if found is not None:
                return found
        out = super().__torch_dispatch__(func, types, args, kwargs)
        return as_box_tensor(out) if func in _PICKED else out

    def _look(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """A box tensor, where a large gradient is mostly zero."""
        count = gradient.numel()
        if not is_worth_a_look(count):
            return gradient
        self._work += work_of(count, weight)
        if self._misses >= MISSES:
            return gradient
        found = as_box_tensor(gradient)
        if isinstance(found, BoxTensor):
            self._misses = 0
            skipped = count - found.inside.numel()
            self._skipped += work_of(skipped, weight)
        else:
            self._misses += 1
        return found


def _box_of_picked(
    func: Any,
    gradient: Any,
    sizes: Sequence[int],
    dim: int,
    start: int,
    end: int | None = None,
    step: int = 1,
) -> BoxTensor | None:
    """The gradient of a grid, of which a part was picked.

    Args:
        func: ``select_backward`` or ``slice_backward``.
        gradient (Tensor): Of the part.
        sizes (sequence of int): Of the grid.
        dim (int): The axis along which was picked.
        start (int): What was selected, or where the slice starts.
        end (int, optional): Where the slice ends; None for a selection.
        step (int): Of the slice.

    Returns:
        BoxTensor, optional: None where that takes a look at the whole grid.
    """
    dim %= len(sizes)
    if len(sizes) != 4 or step != 1 or not gradient.numel():
        return None
    if dim < 2:  # images or channels
        if end is None or not isinstance(gradient, BoxTensor):
            return None
        shape = (*sizes[:2], *gradient.inside.shape[2:])
        inside = func(gradient.inside, shape, dim, start, end, step)
        return BoxTensor(inside, gradient.box, tuple(sizes))
    inside, corner = gradient, [0, 0]
    if end is None:
        inside = gradient.unsqueeze(dim)
    elif isinstance(gradient, BoxTensor):
        inside, corner = gradient.inside, [gradient.box[0], gradient.box[2]]
    start += sizes[dim] if start < 0 else 0
    corner[dim - 2] += max(start, 0)
    return placed(inside, (corner[0], corner[1]), sizes)
