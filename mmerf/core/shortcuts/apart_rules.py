"""Which operations keep the images of a batch apart, one rule per kind.

An operation was run on one image, and is run on several. The axis of each
tensor that is so many times longer now holds the images, one after the other.
A rule says whether what the operation makes for an image depends on that image
alone. Without a rule, it may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ImageAxis = (
    int | None
)  # of a tensor that holds the images; None for one of none
TensorShape = tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """An operation that is run on several images.

    Attributes:
        name (str): Without ``aten::`` and the overload.
        pointwise (bool): Whether torch says so.
        arguments (dict): By name, with their defaults.
        taken, made (sequence): Shape and image axis of each tensor that it
            takes, and makes; some of either hold images.
        numbers_agree (bool): Whether its other arguments are those that it
            had for one image.
        rounds (int): How often the images take turns along their axis: once,
            or for each token, where those come first.
        count (int): Images.
    """

    name: str
    pointwise: bool
    arguments: dict[str, Any]
    taken: Sequence[tuple[TensorShape, ImageAxis]]
    made: Sequence[tuple[TensorShape, ImageAxis]]
    numbers_agree: bool
    rounds: int
    count: int

    @property
    def made_rounds(self) -> int:
        """How often the images take turns in what is made; 0 if it is lost.

        As many entries lie before the first of the second image as before.
        """
        if self.name != 'view':
            return self.rounds
        (shape, axis), (new, new_axis) = self.taken[0], self.made[0]
        if axis is None or new_axis is None:
            return 0
        before = math.prod(shape[:axis]) * self.rounds
        rounds, rest = divmod(before, math.prod(new[:new_axis]))
        fits = rounds and not rest
        return (
            rounds if fits and not new[new_axis] % (rounds * self.count) else 0
        )

    @property
    def keeps_apart(self) -> bool:
        """Whether what is made for an image depends on that image alone."""
        made = self.made[:1] if self.name in FIRST_MADE else self.made
        if any(axis is None for _, axis in made):
            return False
        rule = follow_aligned if self.pointwise else APART_RULES.get(self.name)
        if rule is None:
            rule = _rule_by_prefix(self.name)
        if rule is None or not self.made_rounds:
            return False
        return (self.numbers_agree or rule in SIZES_DIFFER) and rule(self)


ApartRule = Callable[[Run], bool]


def follow_aligned(run: Run) -> bool:
    """Entry by entry: axes agree, counted from the last as in broadcasting."""
    ends = {
        len(shape) - axis
        for shape, axis in (*run.taken, *run.made)
        if axis is not None
    }
    return len(ends) == 1


def follow_first(run: Run) -> bool:
    """Image by image: the first tensor's first axis, and no other tensor's."""
    axes = [axis for _, axis in run.taken]
    alone = axes[0] == 0 and set(axes[1:]) <= {None}
    return alone and run.made[0][1] == 0 and not run.arguments.get('training')


def follow_group_norm(run: Run) -> bool:
    """As ``follow_first``; it is handed the number of images."""
    return follow_first(run)


def follow_every_first(run: Run) -> bool:
    """Image by image: the first axis of all tensors that hold images."""
    taken = {axis for _, axis in run.taken} - {None}
    return taken == {0} == {axis for _, axis in run.made}


def follow_product(run: Run) -> bool:
    """A product of two matrices: rows of the first, or columns of the last."""
    *bias, first, last = (axis for _, axis in run.taken)
    if any(axis is not None for axis in bias):
        return False
    return (first, last, run.made[0][1]) in ((0, None, 0), (None, 1, 1))


def follow_products(run: Run) -> bool:
    """Products of matrices, one after the other: matrices, rows or columns."""
    axes = [axis for _, axis in run.taken]
    *added, first, last, made = (*axes, run.made[0][1])
    if any(axis not in (None, made) for axis in added):
        return False
    return (first, last, made) in ((0, 0, 0), (1, None, 1), (None, 2, 2))


def follow_along(run: Run) -> bool:
    """Along axes that its arguments name; the images' is none of them."""
    shape, axis = next(t for t in run.taken if t[1] is not None)
    if {other for _, other in run.taken} - {axis, None}:
        return False
    return axis not in _named_axes(run, len(shape))


def follow_slice(run: Run) -> bool:
    """As ``follow_along``; or it takes all."""
    return run.taken[0] == run.made[0] or follow_along(run)


def follow_stack(run: Run) -> bool:
    """Tensors laid on top of each other: every axis after it moves by one."""
    rank = len(run.made[0][0])
    at = run.arguments['dim'] % rank
    axes = {axis for _, axis in run.taken}
    if len(axes) != 1:
        return False
    (axis,) = axes
    return axis is not None and run.made[0][1] == axis + (axis >= at)


def follow_permute(run: Run) -> bool:
    """Axes in another order."""
    (shape, axis), *_ = run.taken
    dims = [dim % len(shape) for dim in run.arguments['dims']]
    return axis is not None and dims.index(axis) == run.made[0][1]


def follow_transpose(run: Run) -> bool:
    """Two axes change places."""
    (shape, axis), *_ = run.taken
    rank = len(shape)
    one = run.arguments.get('dim0', 0) % rank
    other = run.arguments.get('dim1', rank - 1) % rank
    return run.made[0][1] == {one: other, other: one}.get(axis, axis)


def follow_view(run: Run) -> bool:
    """Where ``made_rounds`` tells how images lie."""
    return True


def follow_unsqueeze(run: Run) -> bool:
    """An axis more, or one less, of one entry."""
    (shape, axis), *_ = run.taken
    new, new_axis = run.made[0]
    assert axis is not None and new_axis is not None
    return math.prod(shape[:axis]) == math.prod(new[:new_axis])


def follow_repeat(run: Run) -> bool:
    """Repeated along other axes than the images'."""
    (shape, axis), *_ = run.taken
    new, new_axis = run.made[0]
    assert axis is not None and new_axis is not None
    return follow_aligned(run) and shape[axis] == new[new_axis]


def follow_layer_norm(run: Run) -> bool:
    """Over the last axes; the images' is before them."""
    (shape, axis), *others = run.taken
    over = len(run.arguments['normalized_shape'])
    others_hold = any(other is not None for _, other in others)
    return (
        not others_hold
        and axis is not None
        and axis < len(shape) - over
        and run.made[0][1] == axis
    )


def follow_pad(run: Run) -> bool:
    """Entries before and after, by axis from the last; none of the images'."""
    (shape, axis), *_ = run.taken
    padded = len(run.arguments['pad']) // 2
    return axis is not None and axis < len(shape) - padded


def follow_index(run: Run) -> bool:
    """Entries of other axes than the images', the same of each image."""
    (_, axis), *others = run.taken
    if axis is None or any(other is not None for _, other in others):
        return False
    indices = list(run.arguments['indices'])
    return axis >= len(indices) or indices[axis] is None


def _named_axes(run: Run, rank: int) -> set[int]:
    named = run.arguments.get('dim', run.arguments.get('dims'))
    if named is None:
        return set(range(rank))
    every = [named] if isinstance(named, int) else list(named)
    return {axis % rank for axis in every or range(rank)}


def _rule_by_prefix(name: str) -> ApartRule | None:
    rules = (
        rule for start, rule in PREFIXES.items() if name.startswith(start)
    )
    return next(rules, None)


SIZES_DIFFER = {
    follow_group_norm, follow_repeat, follow_slice, follow_unsqueeze,
    follow_view,
}  # fmt: skip
FIRST_MADE = {'native_batch_norm', '_native_batch_norm_legit_no_training'}
PREFIXES: dict[str, ApartRule] = {
    'upsample_': follow_first,
    '_upsample_': follow_first,
    '_scaled_dot_product_': follow_every_first,
}
APART_RULES: dict[str, ApartRule] = {
    **dict.fromkeys(
        (
            'convolution', '_convolution', 'native_batch_norm',
            '_native_batch_norm_legit_no_training',
            'max_pool2d_with_indices', 'avg_pool2d', '_adaptive_avg_pool2d',
            'adaptive_max_pool2d', 'im2col', 'col2im', 'pixel_shuffle',
            'pixel_unshuffle', 'reflection_pad2d', 'replication_pad2d',
        ),
        follow_first,
    ),
    **dict.fromkeys(('bmm', 'baddbmm'), follow_products),
    'grid_sampler_2d': follow_every_first,
    **dict.fromkeys(('mm', 'addmm'), follow_product),
    **dict.fromkeys(
        (
            '_safe_softmax',
            '_softmax', '_log_softmax', 'cat', 'split', 'split_with_sizes',
            'select', 'unbind', 'roll', 'flip', 'mean', 'sum', 'amax', 'amin',
            'max', 'min', 'var', 'std', 'linalg_vector_norm', 'cumsum',
            'gather', 'index_select', 'logsumexp',
        ),
        follow_along,
    ),
    'view': follow_view,
    **dict.fromkeys(('unsqueeze', 'squeeze'), follow_unsqueeze),
    **dict.fromkeys(('expand', 'repeat'), follow_repeat),
    **dict.fromkeys(('transpose', 't'), follow_transpose),
    **dict.fromkeys(
        (
            'copy_', 'fill_', 'zero_',
            '_prelu_kernel', 'hardswish', 'hardswish_', 'lift_fresh',
        ),
        follow_aligned,
    ),
    'native_group_norm': follow_group_norm,
    'slice': follow_slice,
    'stack': follow_stack,
    'permute': follow_permute,
    'native_layer_norm': follow_layer_norm,
    'constant_pad_nd': follow_pad,
    'index': follow_index,
}  # fmt: skip
