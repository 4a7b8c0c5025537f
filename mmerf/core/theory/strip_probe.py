"""Which pixels of a strip move a unit: gradients that are not exactly zero."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..errors import ModelError, one_line
from ..grid.coordinates import Grid
from ..layers.names import Layer
from ..layers.output_forms import front_tokens
from ..running.isolation import preserved
from ..running.layer_scores import LayerScores
from ..running.probes import Probe
from ..targets.base import TargetContext

IMAGES = 4  # random inputs of one strip; in each, one unit is scored
SHIFT = (
    5  # units between two scored ones; no multiple of a usual window's side
)


@dataclass(frozen=True)
class StripExtent:
    """A layer's field along a strip's long axis, as far as the strip shows it.

    Attributes:
        before, after (float): First and last pixel that moves the unit, as
            offsets from the unit's pixel.
        bounded (bool): Whether the field ends before either end of the strip.
        filled (bool): Whether the field reaches both ends of the strip.
        same (bool): Whether two units in different places have the same
            extent.
        stride (float): Pixels from one unit to the next.
    """

    before: float
    after: float
    bounded: bool
    filled: bool
    same: bool
    stride: float


def run_strip(
    model: nn.Module,
    layers: list[Layer],
    forward: Forward,
    shape: tuple[int, int, int],
    axis: int,
    skip: Collection[str] = (),
    ends: bool = False,
) -> dict[str, StripExtent]:
    """Run one strip and read every layer's field along it.

    Args:
        model (nn.Module): In float64; left as it was.
        layers (list of Layer): The layers to read.
        forward (callable): ``forward(images, positions)`` runs the model.
        shape (tuple[int, int, int]): (C, H, W) of the strip.
        axis (int): The long axis: 0 down, 1 across.
        skip (collection of str): Keys of outputs not to read.
        ends (bool): Score the first units, for how far the field reaches
            forward, and the last, for how far back; else the middle unit and
            one beside it.

    Returns:
        dict[str, StripExtent]: By layer key. Layers for which some image
        has no gradient at all are missing.

    Raises:
        ModelError: If the model does not run on the strip.
        LayerError: If a layer cannot be read there.
    """
    generator = torch.Generator().manual_seed(sum(shape))
    device = next((p.device for p in model.parameters()), None)
    images = torch.randn(
        (IMAGES, *shape), generator=generator, dtype=torch.float64
    ).to(device)
    leaf = images.requires_grad_()
    scored = LayerScores(layers, front_tokens(model))
    target = _StripUnits(generator, axis, ends)
    found: dict[str, StripExtent] = {}
    with preserved(model), torch.enable_grad():
        parts = scored.probe(forward, leaf.clone(), target, range(IMAGES))
        grids = scored.grids(shape)
        pending = {k: p.scores for k, p in parts.items() if k not in skip}
        while pending:
            key, score = next(iter(pending.items()))
            del pending[key]
            try:
                (gradient,) = torch.autograd.grad(
                    score.sum(), leaf, retain_graph=bool(pending)
                )
            except Exception as error:  # the model's own backward code
                raise ModelError(one_line(error, 160)) from error
            touched = (gradient != 0).any(1).any(2 - axis).cpu()
            if touched.any(1).all():
                found[key] = _read_extent(touched, grids[key], axis, ends)
    return found


def _scored_units(count: int, ends: bool) -> list[int]:
    """The unit along an axis that is scored in each of ``IMAGES`` images.

    Two images each for the middle unit and one ``SHIFT`` beside it; with
    ``ends`` the first and the last unit, and those ``SHIFT`` from them.
    """
    middle, last = count // 2, count - 1
    beside = min(middle + SHIFT, last)
    if ends:
        return [0, min(SHIFT, last), max(last - SHIFT, 0), last]
    return [middle, middle, beside, beside]


class _StripUnits(Probe):
    """Every channel of one unit per image, with random weights."""

    def __init__(
        self, generator: torch.Generator, axis: int, ends: bool
    ) -> None:
        self.generator, self.axis, self.ends = generator, axis, ends

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        size = (int(output.shape[2]), int(output.shape[3]))
        place = [[side // 2] * len(output) for side in size]
        place[self.axis] = _scored_units(size[self.axis], self.ends)
        unit = output[list(range(len(output))), :, place[0], place[1]]
        weights = torch.randn(
            unit.shape, generator=self.generator, dtype=torch.float64
        )
        return (unit * weights.to(unit)).sum(dim=1)


def _read_extent(
    touched: Tensor, grid: Grid, axis: int, ends: bool
) -> StripExtent:
    """Read both sides of the field from each image's gradient.

    Args:
        touched (Tensor): Whether a pixel moves the unit, (images, length).
        grid (Grid): The layer's grid.
        axis (int): The long axis.
        ends (bool): As for ``run_strip``.
    """
    line, stride = (grid.y, grid.x)[axis], grid.stride[axis]
    units = _scored_units(grid.size[axis], ends)
    spans = []
    for unit, moves in zip(units, touched, strict=True):
        pixels = moves.nonzero().flatten()
        origin = line.offset + stride * unit
        spans.append((int(pixels[0]), int(pixels[-1]), origin))
    back, on = (spans[2:], spans[:2]) if ends else (spans, spans)
    lows = [low - origin for low, _, origin in back]
    highs = [high - origin for _, high, origin in on]
    if not ends:  # join the two images of each unit
        lows = [min(lows[:2]), min(lows[2:])]
        highs = [max(highs[:2]), max(highs[2:])]
    low, high = min(s[0] for s in back), max(s[1] for s in on)
    length = touched.shape[1]
    apart = units[0] != units[-2]
    return StripExtent(
        before=lows[-1] if ends else lows[0],
        after=highs[0],
        bounded=low > 0 and high < length - 1 and apart,
        filled=low == 0 and high == length - 1,
        same=lows[0] == lows[1] and highs[0] == highs[1],
        stride=stride,
    )
