"""Follows which input pixels every tensor of a forward may depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..aten import (
    AtenMode,
    named_arguments,
    shows_otherwise,
    storage_of,
    tensors_in,
    written_to,
)
from .memory import (
    NOTHING,
    SPREAD,
    UNKNOWN,
    WHOLE,
    SpanMemory,
    Spans,
    constant,
    is_place,
    joined,
    marked,
    unmoved,
    with_sites,
)
from .moving import RULED, only_where, passes
from .operation import Operation
from .origins import Origins, reads_table
from .rules import CONSTANTS, JOINING, SPAN_RULES, pointwise

NEAR_END = 1 / 8  # of all places: one there is the first or the last
_POINTWISE_TAG = torch.Tag.pointwise


class SpanTracer(AtenMode):
    """Upper bounds of receptive fields, for every element of every tensor.

    While a model runs inside, each operation gives its outputs the spans of
    what it reads. An operation without a rule, or whose rule fails, counts
    as one that joins all of its inputs everywhere, which is never too small.
    Rules are the better, the smaller their spans.

    Args:
        axis (int): Axis of the input that is followed: 0 down, 1 across.
        endless (bool): Whether the image stands for a strip of any length:
            padding is more of it, as far as that can be told (``ends``), or
            ``BEYOND`` it. Else the image is what it is, and padding depends
            on nothing.
        moving (bool): Whether sites, and pixels that do move an element, are
            followed too, the latter on images that require gradients; what
            runs without, or is detached, is moved by none.
        origins (Origins, optional): Told of every operation.

    Attributes:
        elements (int): How many numbers the operations have made so far.
        length (int): Of the image along the axis.
        windows (bool): With ``moving``: whether an operation has joined
            places, but not all.
        by_place (bool): With ``origins``: whether an operation has met a
            table of positions along the axis.
        not_followed (dict[str, None]): Names of operations without a rule
            that have met a tensor that depends on the input.

    Example:
        >>> conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        >>> image = torch.zeros(1, 3, 32, 32)
        >>> with torch.no_grad(), SpanTracer(axis=0) as tracer:
        ...     tracer.start(image)
        ...     out = conv(image)
        >>> first, last, *_ = tracer.memory.read(out)
        >>> -int(first[0, 0, 8, 8]), int(last[0, 0, 8, 8])
        (15, 17)
    """

    def __init__(
        self,
        axis: int,
        endless: bool = True,
        origins: Origins | None = None,
        moving: bool = False,
    ) -> None:
        super().__init__()
        self.axis, self.endless, self.origins = axis, endless, origins
        self.memory = SpanMemory(6 if moving else 2)
        self.elements = self.length = 0
        self.windows = self.by_place = False
        self.not_followed: dict[str, None] = {}

    def start(self, images: Tensor) -> None:
        """Let every pixel of the images (..., H, W) depend on itself."""
        self.length = images.shape[self.axis - 2]
        last = torch.arange(self.length, dtype=torch.float32)
        last = last.view((-1, 1) if self.axis == 0 else (1, -1))
        self.memory.write(images, [-last, last] * (self.memory.count // 2))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self._follow(func, args, kwargs or {}, out)
        return out

    def _follow(self, func: Any, args: tuple, kwargs: dict, out: Any) -> None:
        self.memory.sweep()
        inputs = tensors_in((args, kwargs))
        storages = {storage_of(tensor) for tensor in inputs}
        arguments = named_arguments(func, args, kwargs)
        changed = [] if shows_otherwise(func) else written_to(func, arguments)
        made = changed + [
            tensor
            for tensor in tensors_in(out)
            if storage_of(tensor) not in storages
        ]
        self.elements += sum(tensor.numel() for tensor in made)
        name = func._schema.name.removesuffix('_')
        if self.origins is not None:
            self.by_place |= not self.by_place and reads_table(
                name, inputs, self.memory, self.length
            )
            self.origins.note(
                name.rpartition(':')[2], inputs, changed, tensors_in(out)
            )
        if not (made and any(map(self.memory.tracks, inputs))):
            return  # a view's spans are its base's; constants have none
        if name in CONSTANTS:
            return
        found = self._spans(func, name, arguments, made)
        for tensor in made:
            fits = found is not None and tensor.shape == made[0].shape
            spans = found if fits else self._anything(inputs, tensor)
            assert spans is not None
            self.memory.write(tensor, spans)

    def _spans(
        self,
        func: Any,
        name: str,
        arguments: dict[str, Any],
        made: list[Tensor],
    ) -> Spans | None:
        """Spans of an operation's output; None where there is no rule."""
        rule: Callable[[Operation], Spans] | None = SPAN_RULES.get(name)
        if rule is None and _POINTWISE_TAG in func.tags:
            rule = pointwise
        if rule is not None:
            op = Operation(func, arguments, made, self.memory, self.endless)
            try:
                found = rule(op)
                if name in JOINING and self.memory.count > 2:
                    sources = [op.read(tensor) for tensor in op.tracked()]
                    found, some = _joined_sites(found, sources, self.length)
                    self.windows |= some
                if self.memory.count > 2:
                    found = self._moves(op, name, found)
                return [numbers.expand(made[0].shape) for numbers in found]
            except (RuntimeError, LookupError, TypeError, ValueError):
                pass  # a form of the operation that the rule does not know
        self.not_followed[name] = None
        return None

    def _moves(self, op: Operation, name: str, found: Spans) -> Spans:
        """Spans whose last numbers are right, whatever the rule."""
        if not torch.is_grad_enabled():
            return unmoved(found)
        if name in RULED:
            return found
        mask = passes(op, name)
        if mask is True:
            return found
        if mask is False:
            return unmoved(found)
        return only_where(mask, [n.expand(op.shape) for n in found])

    def _anything(self, inputs: list[Tensor], out: Tensor) -> Spans:
        """Spans of what may depend on every element of all inputs."""
        whole = joined(
            [
                [numbers.max() for numbers in self.memory.read(tensor)]
                for tensor in inputs
                if self.memory.tracks(tensor) and tensor.numel()
            ]
            or [constant((), self.memory.count)],
            (),
        )
        whole = marked(unmoved(whole), UNKNOWN)
        return [numbers.expand(out.shape) for numbers in whole]


def _joined_sites(
    spans: Spans, sources: list[Spans], length: int
) -> tuple[Spans, bool]:
    """Spans after an operation that joins places, with sites of their own.

    Args:
        spans (list of Tensor): From the operation's rule; a site runs from
            the first to the last place that was joined.
        sources (list of Spans): Of what the operation reads.
        length (int): Of the strip, in px.

    Returns:
        tuple[Spans, bool]: And whether some places were joined, but not all.
    """
    first, last = spans[2:4]
    if _reads_all(first, last, sources, length):
        return marked(spans, WHOLE), False
    free = is_place(last)
    sites = [
        torch.where(free, sign * (last - first) / 2, n)
        for sign, n in ((-1, first), (1, last))
    ]
    wide = max((_widest(s[2], s[3]) for s in sources), default=0.0)
    return with_sites(spans, sites), _widest(first, last) > wide


def _widest(first: Tensor, last: Tensor) -> float:
    """The widest site, in px."""
    width = (first + last).masked_fill(~is_place(last), 0)
    return float(width.max()) if width.numel() else 0.0


def _reads_all(
    first: Tensor, last: Tensor, sources: list[Spans], length: int
) -> bool:
    """Whether all outputs read from the first place to the last."""
    before = [_ends(s[2], s[3]) for s in sources if s[2].numel()]
    if not before:
        return False
    low, high = min(e[0] for e in before), max(e[1] for e in before)
    spread = high - low
    if not SPREAD * length <= spread < UNKNOWN / 2:
        return False
    latest, earliest = _ends(first, last, inner=True)
    near = NEAR_END * spread
    return latest <= low + near and earliest >= high - near


def _ends(
    first: Tensor, last: Tensor, inner: bool = False
) -> tuple[float, float]:
    """The first and the last place; with ``inner``, that all sites reach."""
    known = last > NOTHING
    if not inner:
        return -float(first.max()), float(last.max())
    return (
        -float(torch.where(known, first, float('inf')).min()),
        float(torch.where(known, last, float('inf')).min()),
    )
