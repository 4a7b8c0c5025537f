"""Which pixels of a strip move a unit: gradients that are not exactly zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..errors import ModelError, one_line
from ..gradient.mended_backward import MendedBackward
from ..grid.coordinates import Grid, UnitYX
from ..layers.names import Layer
from ..layers.output_forms import front_tokens
from ..running.layer_scores import LayerScores
from ..running.probes import Probe
from ..state.isolation import preserved
from ..targets.base import TargetContext
from .strip_bounds import Bounds, middle_unit, place_along

# Random images of one forward. With one alone, torch 2.13 computes a wrong
# gradient of a batch norm on a CPU; see core/gradient/sparse_backward.py.
IMAGES = 2
STEEPEST = 6  # powers of ten by which an image may grow towards its ends
WIDE_ELEMENTS = 500_000_000  # and on a wider one, for one image
DRAWN_ELEMENTS = 250_000_000  # numbers of all forwards that look for taps
MOST_DRAWS, FEW_DRAWS = 32, 2
Ends = tuple[float, float]  # first and last pixel


class Wanted(NamedTuple):
    """The span that is wide enough, and the most forwards to look for it."""

    span: Ends
    forwards: int


def touched_spans(
    model: nn.Module,
    layers: list[Layer],
    forward: Forward,
    shape: tuple[int, int, int],
    axis: int,
    wanted: Mapping[str, Wanted],
    unit_of: Callable[[Grid], UnitYX | None] = middle_unit,
    images: int = IMAGES,
) -> dict[str, Ends]:
    """The first and the last pixel of a strip that move each unit.

    A unit's channels are summed with random weights. A maximum passes the
    gradient to one of its inputs, and a unit that a ReLU has switched off to
    none, so that one image may show less than all: spans of several random
    images are joined until they are as wide as they can be.

    Args:
        model (nn.Module): Gets float64 weights; else left as it was.
        layers (list of Layer): The layers to read.
        forward (callable): ``forward(images, positions)`` runs the model.
        shape (tuple[int, int, int]): (C, H, W) of the strip.
        axis (int): The axis that is looked along: 0 down, 1 across.
        wanted (mapping): By layer key, the span that is wide enough, and the
            most forwards that look for it.
        unit_of (callable): ``unit_of(grid)``, whose place along the axis is
            that of the unit; across it, the middle one is.
        images (int): Random images of one forward.

    Returns:
        dict[str, Ends]: By layer key. Layers without any gradient are
        missing.

    Raises:
        ModelError: If the model does not run on the strip.
        LayerError: If a layer cannot be read there.
    """
    generator = torch.Generator().manual_seed(sum(shape))
    device = next((p.device for p in model.parameters()), None)
    scored = LayerScores(layers, front_tokens(model))
    found: dict[str, Ends] = {}
    pending = list(wanted)
    with preserved(model.double()), torch.enable_grad():
        number = 0
        while pending:
            drawn = _draw(number, (images, *shape), axis, generator)
            leaf = drawn.to(device).requires_grad_()
            number += 1
            target = _UnitAlong(generator, axis, unit_of)
            parts = scored.probe(forward, leaf.clone(), target, range(images))
            scores = {k: parts[k].scores for k in pending if k in parts}
            while scores:
                key, score = next(iter(scores.items()))
                del scores[key]
                touched = touched_places(score, leaf, axis, bool(scores))
                if touched is not None:
                    found[key] = joined_ends(found.get(key), touched)
            pending = [
                key
                for key in pending
                if number < wanted[key].forwards
                and not covers(found.get(key), wanted[key].span)
            ]
    return found


def touched_places(
    score: Tensor, leaf: Tensor, axis: int, again: bool
) -> Ends | None:
    """First and last place along the axis with any gradient."""
    try:
        with MendedBackward():
            (gradient,) = torch.autograd.grad(
                score.sum(), leaf, retain_graph=again, allow_unused=True
            )
    except Exception as error:  # the model's own backward code
        raise ModelError(one_line(error, 160)) from error
    if gradient is None:
        return None
    moves = (gradient != 0).any(1).any(2 - axis).any(0).nonzero().flatten()
    return (float(moves[0]), float(moves[-1])) if len(moves) else None


def joined_ends(one: Ends | None, other: Ends) -> Ends:
    """From the first pixel of two spans to the last; None is no span."""
    if one is None:
        return other
    return min(one[0], other[0]), max(one[1], other[1])


def covers(span: Ends | None, wanted: Ends) -> bool:
    """Whether a span is as wide as wanted; None is no span."""
    if span is None:
        return False
    return span[0] <= wanted[0] and span[1] >= wanted[1]


def _draw(
    number: int, shape: tuple[int, ...], axis: int, generator: torch.Generator
) -> Tensor:
    """Random images, shape (N, C, H, W), float64.

    The first ones are plain noise. Later ones grow from the middle towards
    their ends, as noise or smoothly, so that maxima are found at outer taps.
    """

    def random(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    noise = random(*shape)
    if number == 0:
        return noise
    length = shape[2 + axis]
    place = torch.linspace(-1, 1, length, dtype=torch.float64).abs()
    place = place.view((length, 1) if axis == 0 else (1, length))
    steep = torch.rand(
        (shape[0], 1, 1, 1), generator=generator, dtype=torch.float64
    )
    growth = 10 ** (STEEPEST * steep * place)
    if number % 2:
        return noise * growth
    return growth * (random(*shape[:2], 1, 1) + 0.1 * noise)


class _UnitAlong(Probe):
    """Every channel of a unit, with random weights."""

    def __init__(
        self,
        generator: torch.Generator,
        axis: int,
        unit_of: Callable[[Grid], UnitYX | None],
    ) -> None:
        self.generator, self.axis, self.unit_of = generator, axis, unit_of

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        grid, unit = context.grid, list(middle_unit(context.grid))
        side = 1 - self.axis if grid.swapped else self.axis
        unit[side] = place_along(self.axis, grid, self.unit_of)
        channels = output[:, :, unit[0], unit[1]]
        weights = torch.randn(
            channels.shape, generator=self.generator, dtype=torch.float64
        )
        return (channels * weights.to(channels)).sum(dim=1)


def attempts(bounds: Bounds) -> list[tuple[int, int]]:
    """How many times as wide a strip is, and how many forwards it gets."""
    each = max(bounds.elements, 1)
    wide = [
        (times, FEW_DRAWS)
        for times in (bounds.wider, 2 * bounds.wider)
        if 0 < times * each <= WIDE_ELEMENTS
    ]
    many = min(MOST_DRAWS, DRAWN_ELEMENTS // each)
    return [(1, FEW_DRAWS), *wide, (1, max(many, FEW_DRAWS))]
