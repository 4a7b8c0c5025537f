"""Which operations keep the images of a batch apart, one rule per kind.

An operation was run on one image, and is run on several. The axis of each
tensor that is so many times longer now holds the images, one after the other.
A rule says whether what the operation makes for an image depends on that image
alone. Without a rule, it may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .apart_run import Run

ApartRule = Callable[[Run], bool]


def keeps_apart(run: Run) -> bool:
    """Whether what is made for an image depends on that image alone.

    Args:
        run (Run): An operation that takes images.
    """
    made = run.made[:1] if run.name in FIRST_MADE else run.made
    if not made or any(axis is None for _, axis in made):
        return False
    rule = follow_aligned if run.pointwise else APART_RULES.get(run.name)
    if rule is None:
        rule = _rule_by_prefix(run.name)
    if rule is None or not run.made_rounds:
        return False
    return (run.numbers_agree or run.name in HANDED_SIZES) and rule(run)


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
    *added, (_, first), (_, last) = run.taken
    shape, made = run.made[0]
    assert made is not None
    if any(
        axis is not None and len(one) - axis != len(shape) - made
        for one, axis in added
    ):
        return False
    return (first, last, made) in ((0, 0, 0), (1, None, 1), (None, 2, 2))


def follow_along(run: Run) -> bool:
    """Along axes that its arguments name; the images' is none of them."""
    shape, axis = run.taken[0]
    others = {other for _, other in run.taken[1:]}
    if axis is None or others - ({axis} if run.name in ALL_HOLD else {None}):
        return False
    return axis not in _named_axes(run, len(shape))


def follow_lookup(run: Run) -> bool:
    """Rows of a table, which holds no images, by numbers that do."""
    (_, table), (_, axis) = run.taken
    return table is None and run.made[0][1] == axis


def follow_slice(run: Run) -> bool:
    """As ``follow_along``; or it takes all."""
    whole = run.taken[0] == run.made[0]
    return whole or (run.numbers_agree and follow_along(run))


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
    given = run.arguments
    names = ('dim', 'dims', 'dimension')
    named = next((given[name] for name in names if name in given), None)
    if named is None:
        return set(range(rank))
    every = [named] if isinstance(named, int) else list(named)
    return {axis % rank for axis in every or range(rank)}


def _rule_by_prefix(name: str) -> ApartRule | None:
    rules = (
        rule for start, rule in PREFIXES.items() if name.startswith(start)
    )
    return next(rules, None)


ALL_HOLD = {'cat', 'gather'}  # all their tensors, or none, hold images
# Operations that are handed sizes, which the number of images changes.
HANDED_SIZES = {'expand', 'native_group_norm', 'repeat', 'slice', 'view'}
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
            'pixel_unshuffle', 'reflection_pad1d', 'reflection_pad2d',
            'replication_pad1d', 'replication_pad2d', 'avg_pool3d',
            'max_pool3d_with_indices', 'channel_shuffle',
            'native_channel_shuffle',
        ),
        follow_first,
    ),
    **dict.fromkeys(('bmm', 'baddbmm'), follow_products),
    'grid_sampler_2d': follow_every_first,
    **dict.fromkeys(('mm', 'addmm'), follow_product),
    **dict.fromkeys(
        (
            '_softmax', '_safe_softmax', '_log_softmax', 'cat', 'split',
            'split_with_sizes', 'select', 'unbind', 'roll', 'flip', 'mean',
            'sum', 'amax', 'amin', 'max', 'min', 'var', 'std',
            'linalg_vector_norm', 'cumsum', 'gather', 'index_select',
            'logsumexp', 'unsafe_split', 'glu', 'unfold', 'topk', 'sort',
            'argmax', 'argmin', 'any', 'all', 'prod', 'cummax', 'cummin',
            'cumprod', 'median', 'kthvalue', 'var_mean', 'std_mean',
            'aminmax',
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
            '_prelu_kernel', 'hardswish', 'hardswish_',
        ),
        follow_aligned,
    ),
    'native_group_norm': follow_first,
    'embedding': follow_lookup,
    'slice': follow_slice,
    'stack': follow_stack,
    'permute': follow_permute,
    'native_layer_norm': follow_layer_norm,
    'constant_pad_nd': follow_pad,
    'index': follow_index,
}  # fmt: skip
