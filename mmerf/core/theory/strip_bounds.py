"""How far a layer's units can reach along a strip, from its operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..grid.coordinates import Grid, UnitYX
from ..layers.names import Layer
from ..layers.output_forms import front_tokens
from ..running.layer_scores import LayerScores
from ..running.probes import Probe
from ..spans.memory import BEYOND, is_unknown, is_whole
from ..spans.tracer import SpanTracer
from ..state.isolation import preserved
from ..targets.base import TargetContext

NEIGHBOURS = 5  # units after the middle one that have to agree with it
SAME = 0.01  # px, between the offsets of two units


@dataclass(frozen=True)
class Bound:
    """The most that the middle units of a layer can depend on.

    Attributes:
        spans (list[tuple[float, float]]): First and last pixel of the middle
            unit, and of those that follow it; infinite where they may reach
            the end of the strip.
        moved (tuple[float, float], optional): From the first to the last
            pixel that does move the middle unit, as far as operations tell;
            None if there is none.
        offsets (list[tuple[float, float]]): The same from the units' pixels.
        joins (bool): Whether an operation before the middle unit joins the
            whole strip at once: attention, a mean.
        by_windows (bool): Whether one joins places, but not all of them.
        unknown (bool): Whether an operation that is not followed may do so.
        reached (bool): Whether the unit may depend on any pixel at all.
        pixel (float): The middle unit's input pixel along the axis.
        stride (float): Pixels from one unit to the next.
    """

    spans: list[tuple[float, float]]
    moved: tuple[float, float] | None
    offsets: list[tuple[float, float]]
    joins: bool
    by_windows: bool
    unknown: bool
    reached: bool
    pixel: float
    stride: float

    @property
    def closed(self) -> bool:
        """Whether the strip shows all that these units can depend on."""
        joined = self.joins or self.unknown
        return self.finite and len(self.spans) > 1 and not joined

    @property
    def finite(self) -> bool:
        """Whether no span may reach the end of the strip."""
        return all(abs(end) < BEYOND / 2 for s in self.spans for end in s)

    def within(self, length: int) -> bool:
        """Whether the middle unit's span ends inside a strip."""
        first, last = self.spans[0]
        return first > 0 and last < length - 1

    @property
    def same(self) -> bool:
        """Whether all these units have the same field about their pixels."""
        return all(
            abs(one - other) < SAME
            for offsets in self.offsets
            for one, other in zip(offsets, self.offsets[0], strict=True)
        )


@dataclass(frozen=True)
class Bounds:
    """Every layer's bound on one strip.

    Attributes:
        by_key (dict[str, Bound]): By layer key.
        elements (int): Numbers that a forward of one image makes.
        not_followed (list[str]): Operations that were not followed.
        wider (int): How many times as wide a strip shows some tap of every
            window; 0 if this one does.
    """

    by_key: dict[str, Bound]
    elements: int
    not_followed: list[str]
    wider: int


def bound_strip(
    model: nn.Module,
    layers: list[Layer],
    forward: Forward,
    shape: tuple[int, int, int],
    axis: int,
    endless: bool = True,
    unit_of: Callable[[Grid], UnitYX | None] | None = None,
    dtype: torch.dtype | None = None,
) -> Bounds:
    """Run one strip and follow what each unit can depend on.

    Args:
        model (nn.Module): Gets weights of ``dtype``, without gradients.
        layers (list of Layer): The layers to read.
        forward (callable): ``forward(images, positions)`` runs the model.
        shape (tuple[int, int, int]): (C, H, W) of the strip.
        axis (int): The axis that is followed: 0 down, 1 across.
        endless (bool): Whether the strip stands for one of any length; see
            ``SpanTracer``.
        unit_of (callable, optional): ``unit_of(grid)``, whose place along
            the axis is followed; None: the middle unit.
        dtype (torch.dtype, optional): Precision of the run; None: float32.

    Raises:
        ModelError: If the model does not run on the strip.
        LayerError: If a layer cannot be read there.
    """
    device = next((p.device for p in model.parameters()), None)
    generator = torch.Generator().manual_seed(sum(shape))
    dtype = dtype or torch.float32
    images = torch.randn((1, *shape), generator=generator).to(device, dtype)
    scored = LayerScores(layers, front_tokens(model))
    with preserved(model.to(dtype)), torch.enable_grad(), _plain_attention():
        model.requires_grad_(False)  # a forward's no_grad is seen
        images = images.requires_grad_().clone()  # may be written to
        with SpanTracer(axis, endless, moving=True) as tracer:
            tracer.start(images)
            reader = _UnitSpans(tracer, axis)
            scored.probe(forward, images, reader, range(1))
        grids = scored.grids(shape)
    return Bounds(
        {
            k: _bound_of(
                v,
                reader.by_windows[k],
                grids[k],
                axis,
                unit_of or middle_unit,
            )
            for k, v in reader.read.items()
        },
        tracer.elements,
        list(tracer.not_followed),
        tracer.memory.beside,
    )


class _UnitSpans(Probe):
    """Reads the spans of a row of units along the strip."""

    def __init__(self, tracer: SpanTracer, axis: int) -> None:
        self.tracer, self.axis = tracer, axis
        self.read: dict[str, list[Tensor]] = {}
        self.by_windows: dict[str, bool] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        # the dimension of the short side
        across = 2 + self.axis if context.grid.swapped else 3 - self.axis
        middle = output.shape[across] // 2
        self.read[context.layer] = [
            numbers.select(across, middle).amax((0, 1))
            for numbers in self.tracer.memory.read(output)
        ]
        self.by_windows[context.layer] = self.tracer.windows
        # scores with a graph, as forwards with gradients have to have
        return torch.zeros(len(output), requires_grad=True)


def middle_unit(grid: Grid) -> UnitYX:
    """The unit (h // 2, w // 2)."""
    return grid.size[0] // 2, grid.size[1] // 2


def place_along(
    axis: int, grid: Grid, unit_of: Callable[[Grid], UnitYX | None]
) -> int:
    """The unit's number along an axis of the image (0 down, 1 across)."""
    side = 1 - axis if grid.swapped else axis
    unit = unit_of(grid) or middle_unit(grid)
    return min(max(unit[side], 0), grid.size[side] - 1)


def _bound_of(
    numbers: list[Tensor],
    by_windows: bool,
    grid: Grid,
    axis: int,
    unit_of: Callable[[Grid], UnitYX | None],
) -> Bound:
    count = grid.size[1 - axis if grid.swapped else axis]
    middle = place_along(axis, grid, unit_of)
    line, stride = (grid.y, grid.x)[axis], grid.stride[axis]
    spans, offsets = [], []
    for unit in range(middle, min(middle + NEIGHBOURS, count - 1) + 1):
        first, last = -float(numbers[0][unit]), float(numbers[1][unit])
        pixel = line.pixel(unit, count)
        spans.append((first, last))
        offsets.append((first - pixel, last - pixel))
    reached = spans[0][0] <= spans[0][1]
    site = float(numbers[3][middle])
    moved = (-float(numbers[4][middle]), float(numbers[5][middle]))
    return Bound(
        spans,
        moved if moved[0] <= moved[1] else None,
        offsets,
        is_whole(site),
        by_windows,
        is_unknown(site),
        reached,
        line.pixel(middle, count),
        stride,
    )


class _plain_attention:
    """Let attention run as its parts, which can be followed."""

    def __enter__(self) -> None:
        self.fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)

    def __exit__(self, *error: object) -> None:
        torch.backends.mha.set_fastpath_enabled(self.fast)
