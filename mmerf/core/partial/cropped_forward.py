"""A forward that computes convolutions in boxes of their outputs alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..aten import AtenMode
from ..gradient.box_tensor import LARGEST_BOX_SHARE
from .boxes import needed_boxes
from .operations import Recording, signature_of
from .regions import Places, Stretch

# Multiplications for each operation that is looked at: below the first nothing
# is gained; between, where they are a good share of those in convolutions, as
# what is left takes longer for each.
WORTH, WORTH_ANYWAY = 3e6, 4e7
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Step:
    """An operation of a forward that is run again.

    Attributes:
        signature (tuple): What the operation has to be.
        box (Places, optional): The part of its output that is computed; the
            rest is zero. None for all of it.
        strides (tuple[int, ...]): Of its output.
    """

    signature: tuple
    box: Places | None = None
    strides: tuple[int, ...] = ()


def steps_of(recording: Recording) -> list[Step] | None:
    """Steps that compute what is needed; None where that saves little."""
    steps, saved, every = [], 0.0, 0.0
    boxes = needed_boxes(recording)
    for op, box in zip(recording.operations, boxes, strict=True):
        step = Step(op.signature)
        if op.name == 'convolution':
            out, weight = op.makes[0].shape, op.arguments['weight'].shape
            work = math.prod(out) * math.prod(weight[1:])
            every += work
            share = 1.0 if box is None else box.area / (out[2] * out[3])
            if share < LARGEST_BOX_SHARE and not op.arguments['transposed']:
                assert op.strides is not None
                step = Step(op.signature, box, op.strides)
                saved += (1 - share) * work
        steps.append(step)
    each, share = saved / max(len(steps), 1), saved / max(every, 1)
    pays = each > WORTH and (share > LEAST_SHARE or each > WORTH_ANYWAY)
    return steps if pays else None


class CroppedForward(AtenMode):
    """Runs a forward again, and computes convolutions in boxes only.

    Args:
        steps (sequence of Step): From ``steps_of``.

    Attributes:
        failed (bool): Whether the forward was another one than the recorded;
            what it has computed is of no use then.

    Example:
        >>> import torch
        >>> conv = torch.nn.Conv2d(1, 1, 3, padding=1)
        >>> image = torch.randn(1, 1, 8, 8)
        >>> args = (image, conv.weight, conv.bias, [1, 1], [1, 1], [1, 1])
        >>> args += (False, [0, 0], 1)
        >>> func = torch.ops.aten.convolution.default
        >>> places = Places((2, 4), (5, 6))
        >>> step = Step(signature_of(func, args, {}), places, (64, 64, 8, 1))
        >>> with torch.no_grad(), CroppedForward([step]) as run:
        ...     out = func(*args)
        >>> torch.equal(out[..., 2:4, 5], conv(image)[..., 2:4, 5])
        True
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = steps
        self.start()

    def start(self) -> None:
        """Expect the first operation of the forward next."""
        self._next, self._differs = 0, False

    def returned(self, output: Any) -> None:
        """As for ``Recording``: the steps know what is needed of it."""

    @property
    def failed(self) -> bool:
        """Whether the forward differed, or has not come to its end."""
        return self._differs or self._next != len(self.steps)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        box = self._expected(func, args, kwargs)
        if box is None:
            return func(*args, **kwargs)
        strides = self.steps[self._next - 1].strides
        return _convolved_in(box, strides, func, *args)

    def _expected(self, func: Any, args: tuple, kwargs: dict) -> Places | None:
        """The box of the operation that comes next."""
        if not self._differs and self._next < len(self.steps):
            step = self.steps[self._next]
            self._next += 1
            if step.signature == signature_of(func, args, kwargs):
                return step.box
        self._differs = True
        return None


def _convolved_in(
    box: Places,
    strides: tuple[int, ...],
    func: Any,
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    *rest: Any,
) -> Tensor:
    """A convolution in a box of its output; zero elsewhere."""
    spans: list[Stretch] = []
    pads: list[int] = []
    size: list[int] = []
    for axis, (first, last) in enumerate(box):
        length, kernel = image.shape[2 + axis], weight.shape[2 + axis]
        step, pad, apart = (
            values[axis] if len(values) > 1 else values[0]
            for values in (stride, padding, dilation)
        )
        reach = apart * (kernel - 1)
        start, end = first * step - pad, (last - 1) * step - pad + reach + 1
        spans.append((max(start, 0), min(end, length)))
        pads = [spans[-1][0] - start, end - spans[-1][1], *pads]
        size.append((length + 2 * pad - reach - 1) // step + 1)
    (top, bottom), (left, right) = spans
    piece = image[:, :, top:bottom, left:right]
    if any(pads):
        piece = F.pad(piece, pads)
    inside = func(piece, weight, bias, stride, [0, 0], dilation, *rest)
    shape = (*inside.shape[:2], *size)
    out = inside.new_empty_strided(shape, strides).zero_()
    rows, columns = box
    out[:, :, rows[0] : rows[1], columns[0] : columns[1]] = inside
    return out
