"""Follows where the entries of every tensor sit while a model runs.

The input's entries are pixels. Each operation's rule says where those of its
output sit (``RULES``); a tensor whose operation has no rule is lost, and so is
what is made of it. So a layer's layout and its units' pixels are read off its
output, whatever its shape.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..aten import AtenMode, named_arguments, tensors_in, written_to
from ..grid.coordinates import Axis, Grid, Size, even_grid
from ..grid.factors import Dim, Factor
from ..grid.placed import LOST, Line, Placed, Tag
from ..grid.reading import Reading, count_of
from .call import Call, Outcome, Rule
from .mixing_rules import MIXING_RULES, follow_pointwise
from .read_placed import reading_of
from .resize_rules import FOLLOW_RESIZE
from .slice_rules import SLICE_RULES
from .tags import Tags
from .view_rules import VIEW_RULES
from .window_rules import WINDOW_RULES

Steps = tuple[int, int] | None  # px, down and across
CHOOSING = frozenset(  # operations that choose between values
    {
        'max_pool2d_with_indices', 'max_pool2d', 'max_pool3d_with_indices',
        'adaptive_max_pool2d', 'fractional_max_pool2d', 'max', 'min',
        'argmax', 'argmin', 'topk', 'sort', 'kthvalue', 'median', 'mode',
        'maximum', 'minimum', 'cummax', 'cummin',
    }
)  # fmt: skip
PLANE_POOLINGS = frozenset({'max_pool2d_with_indices', 'max_pool2d'})
NOTICED = CHOOSING | {'as_strided'}
EXTREME_OVER_PLACES = 'extreme over places'
PRODUCTS = frozenset(  # of matrices, in which transformers spend their time
    {
        'mm', 'addmm', 'bmm', 'baddbmm', '_scaled_dot_product_attention_math',
        '_scaled_dot_product_flash_attention_for_cpu',
        '_scaled_dot_product_flash_attention',
        '_scaled_dot_product_efficient_attention',
        '_scaled_dot_product_cudnn_attention', 'linear',
    }
)  # fmt: skip
EXTREME = CHOOSING | {'amax', 'amin', 'aminmax', 'any', 'all'}
RULES: dict[str, Rule] = {
    **VIEW_RULES,
    **SLICE_RULES,
    **WINDOW_RULES,
    **FOLLOW_RESIZE,
    **MIXING_RULES,
}


class GridTracer(AtenMode):
    """Follows the places of tensors' entries while a model runs.

    Args:
        images (Tensor): What the model is called with, (N, ..., C, H, W).

    Attributes:
        noticed (set[str]): Names of operations that matter to shortcuts:
            those of ``NOTICED`` that were called.
        convolutions, products (int): How many there were, of convolutions
            and of products of matrices.
        sizes (dict[tuple[int, int], Grid]): Grids made so far, by (h, w); of
            several of one size the last.

    Example:
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
        self.noticed: set[str] = set()
        self.convolutions = self.products = 0
        self.tags = Tags()
        frames = math.prod(images.shape[1:-3])
        height, width = (int(side) for side in images.shape[-2:])
        self.input_size = (height, width)
        whole = Axis(0, 1)
        self.sizes = {self.input_size: Grid(self.input_size, whole, whole)}
        # Strides of all grids so far, also where a later one is as large.
        self._jumps: tuple[set[float], set[float]] = ({1.0}, {1.0})
        dims = [Dim((Factor('n', len(images), frames),))]
        dims += [Dim((Factor('n', size),)) for size in images.shape[1:-3]]
        self._grids: dict[int, tuple[Placed, Grid | None]] = {}
        channels = int(images.shape[-3])
        self.tags.set(
            images,
            Placed(
                (
                    *dims,
                    Dim((Factor(None, channels),) if channels > 1 else ()),
                    Dim((Factor('y', height),)),
                    Dim((Factor('x', width),)),
                ),
                {'y': Line(whole), 'x': Line(whole)},
            ),
        )

    def read(self, tensor: Tensor, batch: int) -> tuple[Reading, Grid] | None:
        """How a tensor is laid out, and its grid; None where it is lost."""
        tag = self.tags.of(tensor)
        return reading_of(tag, batch) if isinstance(tag, Placed) else None

    def grid(self, size: Size) -> Grid:
        """A grid of this size (h, w) for a tensor that is lost, in doubt."""
        found = self.sizes.get(size)
        if found is None:
            return even_grid(size, self.input_size)
        return Grid(size, found.y, found.x, followed=False)

    def steps(self) -> Steps:
        """Multiples at which a crop keeps every grid made so far.

        Returns:
            tuple[int, int], optional: In pixels, down and across; None where
            a grid's stride is no whole number.
        """
        steps = []
        for jumps in self._jumps:
            whole = [jump for jump in jumps if 1 / (jump or 1) % 1]
            if any(jump % 1 for jump in whole):
                return None
            steps.append(math.lcm(*(int(jump) for jump in whole)))
        return steps[0], steps[1]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix('aten::')
        if name in NOTICED:
            self.noticed.add(name)
        self.convolutions += name in ('convolution', '_convolution')
        self.products += name in PRODUCTS
        arguments = named_arguments(func, args, kwargs or {})
        tensors = tensors_in(arguments)
        tags = [self.tags.of(tensor) for tensor in tensors]
        written, outputs = written_to(func, arguments), tensors_in(out)
        if (outputs or written) and any(tag is not None for tag in tags):
            outcome, rule = None, _rule_of(func, name)
            if rule is not None and outputs:
                known = dict(zip(map(id, tensors), tags, strict=True))
                outcome = self._follow(rule, arguments, out, known)
            if name in EXTREME:
                self._notice_extreme(tags, outcome)
            self._note(outputs or written, outcome, bool(written))
        return out

    def _follow(
        self,
        rule: Rule,
        arguments: dict[str, Any],
        out: Any,
        known: dict[int, Tag | None],
    ) -> Outcome:
        """What the operation's rule says; tags are known by tensors' ids."""
        try:
            return rule(Call(arguments, out, lambda t: known[id(t)]))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return None  # a form of the operation that the rule does not know

    def _note(
        self, made: list[Tensor], outcome: Outcome, written: bool
    ) -> None:
        """Give what an operation made, or wrote to, its tags."""
        if isinstance(outcome, list):
            tags = outcome + [LOST] * (len(made) - len(outcome))
        else:
            tags = [outcome] * len(made)
        for tensor, tag in zip(made, tags, strict=True):
            fits = isinstance(tag, Placed) and tag.shape == tuple(tensor.shape)
            checked: Tag = tag if fits and tag is not None else LOST
            (self.tags.written if written else self.tags.set)(tensor, checked)
            if isinstance(checked, Placed):
                self._keep_size(checked)

    def _notice_extreme(self, tags: list[Tag | None], after: Outcome) -> None:
        """Notice an extreme value over a whole side of the image.

        A value that many places nearly attain may be found inside a window
        to any tolerance, though its gradient is elsewhere.
        """
        first = after[0] if isinstance(after, list) else after
        if LOST in tags or any(_sides(tag) > _sides(first) for tag in tags):
            self.noticed.add(EXTREME_OVER_PLACES)

    def _keep_size(self, placed: Placed) -> None:
        """Keep the grid of a (N, C, h, w) tensor, or of one like it."""
        if id(placed) not in self._grids:  # which keeps it alive, and its id
            self._grids[id(placed)] = placed, _grid_of(placed)
        grid = self._grids[id(placed)][1]
        if grid is None:
            return
        for jumps, jump in zip(self._jumps, grid.stride, strict=True):
            jumps.add(jump)
        if grid.size != self.input_size:
            self.sizes[grid.size] = grid


def _grid_of(placed: Placed) -> Grid | None:
    """The grid of a (N, C, h, w) tensor, or of one like it."""
    if len(placed.dims) != 4:
        return None
    alone = [placed.single(p) for p in range(4)]
    sides = {name: f for found in alone if found for name, f in [found]}
    whole = all(len(placed.factors_of(name)) == 1 for name in sides)
    if len(sides) != 2 or not whole:
        return None
    y, x = (placed.lines[name].axis for name in ('y', 'x'))
    return Grid((sides['y'].size, sides['x'].size), y, x)


def _sides(tag: Tag | None) -> int:
    """How many sides of the image, of more than one unit, a tensor has."""
    if not isinstance(tag, Placed):
        return 0
    return sum(count_of(tag.factors_of(name)) > 1 for name in ('y', 'x'))


def _rule_of(func: Any, name: str) -> Rule | None:
    """An operation's rule; None where it has none."""
    rule = RULES.get(name)
    if rule is None and func._schema.is_mutable:
        rule = RULES.get(name.removesuffix('_'))
    if rule is None and _is_pointwise(func):
        rule = follow_pointwise
    return rule


@cache
def _is_pointwise(func: Any) -> bool:
    """Whether an operation works entry by entry."""
    if torch.Tag.pointwise in func.tags:
        return True
    name = func._schema.name
    if not func._schema.is_mutable or not name.endswith('_'):
        return False
    functional = getattr(torch.ops.aten, name[6:-1], None)
    return functional is not None and any(
        torch.Tag.pointwise in getattr(functional, overload).tags
        for overload in functional.overloads()
    )
