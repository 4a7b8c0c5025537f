"""Follows where the entries of every tensor sit while a model runs.

The input's entries are pixels. Each operation's rule says where those of its
output sit; a tensor whose operation has no rule is lost, and so is what is
made of it. So a layer's layout and its units' pixels are read off its output,
whatever its shape.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from torch import Tensor

from ..aten import (
    AtenMode,
    deciding,
    named_arguments,
    tensors_in,
    written_to,
)
from ..grid.coordinates import Grid
from ..grid.placed import LOST, Placed, Tag
from ..grid.reading import Reading, count_of
from ..placing.call import Call, Outcome
from .kinds import EXTREME_OVER_PLACES, VALUES_DECIDE, Kind, Noticed, kind_of
from .places import KnownPlaces, Noted
from .read_placed import reading_of
from .tags import Tags


class GridTracer(AtenMode):
    """Follows the places of tensors' entries while a model runs.

    Args:
        images (Tensor): What the model is called with, (N, ..., C, H, W).

    Attributes:
        noticed (Noticed): What matters to shortcuts.
        convolutions, products (int): How many there were, of convolutions
            and of products of matrices.
        weights, made, work (int): Numbers of the convolutions' kernels, of
            what they have made, and multiplications that it took.
        places (KnownPlaces): What is known so far.

    Example:
        >>> import torch
        >>> conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        >>> images = torch.zeros(1, 3, 32, 32)
        >>> with GridTracer(images) as tracer:
        ...     out = conv(images)
        >>> reading, grid = tracer.read(out, 1)
        >>> grid.pixel((8, 8))
        (16.0, 16.0)
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.noticed = Noticed()
        self.convolutions = self.products = 0
        self.weights = self.made = self.work = 0
        self.tags = Tags()
        self.places = KnownPlaces(images)
        self.tags.set(images, self.places.pixels)

    def notice_values(self, tensor: Tensor) -> None:
        """Notice that a tensor's values are handed to Python."""
        if self.tags.of(tensor) is not None:
            self.noticed.add(VALUES_DECIDE)

    def read(self, tensor: Tensor, batch: int) -> tuple[Reading, Grid] | None:
        """How a tensor is laid out, and its grid; None where it is lost."""
        tag = self.tags.of(tensor)
        return reading_of(tag, batch) if isinstance(tag, Placed) else None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        kind = kind_of(func)
        if kind.noticed:
            self.noticed.note(kind, args)
        if kind.convolution:
            self.convolutions += 1
            self.weights += args[1].numel()
            self.made += out.numel()
            self.work += out.numel() * math.prod(args[1].shape[1:])
        self.products += kind.product
        tensors: list[Tensor] = []
        form: list[Any] = [kind]
        _take_apart((args, kwargs) if kwargs else args, tensors, form)
        tags = [self.tags.of(tensor) for tensor in tensors]
        if all(tag is None for tag in tags):
            return out
        for tensor in deciding(func, args):
            self.notice_values(tensor)
        outputs, written = tensors_in(out), []
        if kind.writes:
            written = written_to(func, named_arguments(func, args, kwargs))
        made = outputs or written
        if made:
            key, noted = self._earlier(form, tensors, tags)
            if noted is None:
                known = dict(zip(map(id, tensors), tags, strict=True))
                named = named_arguments(func, args, kwargs)
                noted = self._looked_up(kind, Call(named, out, known), made)
                if key is not None:
                    self.places.known[key] = noted
            note = self.tags.written if written else self.tags.set
            for tensor, (tag, grid) in zip(made, noted, strict=True):
                note(tensor, tag)
                self.places.keep_grid(grid)
        return out

    def _earlier(
        self,
        form: Sequence[Any],
        tensors: Sequence[Tensor],
        tags: Sequence[Tag | None],
    ) -> tuple[Hashable | None, Noted | None]:
        """What was noted of an earlier operation that was like this one.

        Args:
            form (sequence): Its kind, and its arguments but tensors.
            tensors (sequence of Tensor): Those among the arguments.
            tags (sequence of Tag): What is known of each.

        Returns:
            tuple: All that its rule may depend on, if that can be a key, and
            what was noted then. No rule is for an operation whose output has
            a shape that values decide.
        """
        try:
            key = (
                *form,
                *[tensor.shape for tensor in tensors],
                *map(id, tags),
            )
            return key, self.places.known.get(key)
        except (RuntimeError, TypeError):  # nested tensors, symbols
            return None, None

    def _looked_up(self, kind: Kind, call: Call, made: list[Tensor]) -> Noted:
        """Tags, and grids, of what an operation made, or wrote to."""
        outcome = self.places.outcome(kind.rule, call)
        if kind.extreme:
            self._notice_extreme(list(call.tags.values()), outcome)
        return self.places.noted(outcome, made)

    def _notice_extreme(self, tags: list[Tag | None], after: Outcome) -> None:
        """Notice an extreme value over a whole side of the image.

        A value that many places nearly attain may be found inside a window
        to any tolerance, though its gradient is elsewhere.
        """
        first = after[0] if isinstance(after, list) else after
        if LOST in tags or any(_sides(tag) > _sides(first) for tag in tags):
            self.noticed.add(EXTREME_OVER_PLACES)


def _sides(tag: Tag | None) -> int:
    """How many sides of the image, of more than one unit, a tensor has."""
    if not isinstance(tag, Placed):
        return 0
    return sum(count_of(tag.factors_of(name)) > 1 for name in ('y', 'x'))


def _take_apart(values: Any, tensors: list[Tensor], form: list[Any]) -> None:
    """Collect the tensors of an operation's arguments, and all else."""
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
            form.append(Tensor)
        elif isinstance(value, (list, tuple)):
            form.append(list)
            _take_apart(value, tensors, form)
            form.append(tuple)
        elif isinstance(value, dict):
            form.append(tuple(value))
            _take_apart(value.values(), tensors, form)
        else:
            form.append(value)
