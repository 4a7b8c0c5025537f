"""Which part of its inputs an operation needs for a part of its output.

A rule gets the operation and a box of its output's grid, and gives pairs of
an input and the box that is needed of it; None is all of it. An operation
without a rule needs all of everything that it reads, which is never too
little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from .operations import Recorded
from .regions import Places, Region, Stretch

Needs = Iterator[tuple[Region, Places | None]]
# Whose first output is used; the others are for its backward pass.
ONE_OUTPUT = frozenset(
    {
        'max_pool2d_with_indices',
        'native_batch_norm',
        '_native_batch_norm_legit_no_training',
        'native_layer_norm',
        'native_group_norm',
    }
)
_INTERPOLATION = (
    4  # px: the reach of an interpolation, and rounding of its places
)


def needed_by(op: Recorded, box: Places | None) -> Needs:
    """What an operation needs, for a box of its output; None for all of it.

    Args:
        op (Recorded): Whose outputs are one grid, if ``box`` is not None.
        box (Places, optional): In rows and columns of that output.
    """
    rule = NEED_RULES.get(op.name) or (
        place_by_place if op.pointwise else None
    )
    if rule is None or box is None:
        return everything(op)
    return rule(op, box)


def everything(op: Recorded) -> Needs:
    """All that an operation reads."""
    return ((region, None) for region in op.reads)


def place_by_place(op: Recorded, box: Places) -> Needs:
    """An operation each place of which is made of the same places."""
    size = _output(op).shape[2:]
    for region in op.reads:
        same = region.grid and region.shape[2:] == size
        yield region, box if same else None


def _output(op: Recorded) -> Region:
    return (op.makes or op.writes)[0]


def _through_cat(op: Recorded, box: Places) -> Needs:
    along = op.arguments['dim']
    return (place_by_place if along in (1, -3) else _all_of)(op, box)


def _all_of(op: Recorded, box: Places) -> Needs:
    return everything(op)


def _through_batch_norm(op: Recorded, box: Places) -> Needs:
    """A batch norm with stored statistics, which are no grids."""
    trains = op.arguments.get('training') or op.arguments.get('train')
    return (_all_of if trains else place_by_place)(op, box)


def _through_convolution(op: Recorded, box: Places) -> Needs:
    numbers = op.arguments
    image, weight = numbers['input'], numbers['weight']
    if len(image.shape) != 4:
        return everything(op)
    spans = []
    for axis, span in enumerate(box):
        step, pad, apart = (
            _of_axis(numbers[name], axis)
            for name in ('stride', 'padding', 'dilation')
        )
        reach = apart * (weight.shape[2 + axis] - 1)
        if numbers['transposed']:
            first = -((reach - span[0] - pad) // step)
            spans.append((first, (span[1] - 1 + pad) // step + 1))
        else:
            spans.append(_read_span(span, step, pad, reach))
    rest = ((r, None) for r in op.reads if r != image)
    return iter([(image, Places(*spans)), *rest])


def _through_pooling(op: Recorded, box: Places) -> Needs:
    numbers = op.arguments
    spans = []
    for axis, span in enumerate(box):
        kernel = _of_axis(numbers['kernel_size'], axis)
        step = _of_axis(numbers['stride'] or numbers['kernel_size'], axis)
        pad = _of_axis(numbers['padding'], axis)
        apart = _of_axis(numbers.get('dilation', 1), axis)
        spans.append(_read_span(span, step, pad, apart * (kernel - 1)))
    return iter([(numbers['self'], Places(*spans))])


def _through_resizing(op: Recorded, box: Places) -> Needs:
    """Interpolation: places by size and by the factor that was given."""
    image = op.reads[0]
    spans = []
    for axis, span in enumerate(box):
        before, after = image.shape[2 + axis], _output(op).shape[2 + axis]
        ratios = {before / after}
        for name, value in op.arguments.items():
            if name.startswith('scale'):
                value = value[axis] if isinstance(value, list) else value
                theirs = name.endswith('_h') == (axis == 0)
                if value and (theirs or name == 'scale_factors'):
                    ratios.add(1 / value)
        margin = _INTERPOLATION * math.ceil(max(1, before / after))
        spans.append((
            math.floor(min(r * span[0] for r in ratios)) - margin,
            math.ceil(max(r * span[1] for r in ratios)) + margin,
        ))  # fmt: skip
    return iter([(image, Places(*spans))])


def _through_padding(op: Recorded, box: Places) -> Needs:
    """Constants around a grid; ``pad`` begins with the last axis."""
    pad = [*op.arguments['pad'], 0, 0]
    if any(pad[4:]):
        return everything(op)
    return iter([(op.arguments['self'], box.moved(-pad[2], -pad[0]))])


def _read_span(span: Stretch, step: int, pad: int, reach: int) -> Stretch:
    return (span[0] * step - pad, (span[1] - 1) * step - pad + reach + 1)


def _of_axis(value: int | list[int], axis: int) -> int:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else value[axis]
    return value


NEED_RULES: dict[str, Callable[[Recorded, Places], Needs]] = {
    'convolution': _through_convolution,
    'max_pool2d_with_indices': _through_pooling,
    'avg_pool2d': _through_pooling,
    'cat': _through_cat,
    'native_batch_norm': _through_batch_norm,
    '_native_batch_norm_legit_no_training': place_by_place,
    'upsample_bilinear2d': _through_resizing,
    'upsample_nearest2d': _through_resizing,
    'upsample_bicubic2d': _through_resizing,
    'constant_pad_nd': _through_padding,
    'clone': place_by_place,
    '_to_copy': place_by_place,
}
