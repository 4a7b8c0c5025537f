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

IMAGES = 4  # random inputs in one strip, each asks one unit
SHIFT = 5  # units between those two; no multiple of a usual window's side


@dataclass(frozen=True)
class Seen:
    """What one strip tells of a layer, along its long axis.

    Attributes:
        before, after (float): First and last pixel that moves the unit, as
            offsets from the unit's pixel.
        bounded (bool): Whether both lie inside the strip.
        filled (bool): Whether both lie at its ends.
        same (bool): Whether two units in different places agree.
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
) -> dict[str, Seen]:
    """Run one strip and read every layer's field along it.

    Args:
        model (nn.Module): In float64; left as it was.
        layers (list of Layer): Its layers.
        forward (callable): Runs the model.
        shape (tuple[int, int, int]): (C, H, W) of the strip.
        axis (int): 0 where it is long down, 1 across.
        skip (collection of str): Keys not to be read.
        ends (bool): Ask the first units how far the field reaches on, and
            the last how far back; else the middle one and one beside it.
    """
    generator = torch.Generator().manual_seed(sum(shape))
    device = next((p.device for p in model.parameters()), None)
    images = torch.randn(
        (IMAGES, *shape), generator=generator, dtype=torch.float64
    ).to(device)
    leaf = images.requires_grad_()
    scored = LayerScores(layers, front_tokens(model))
    target = _StripUnits(generator, axis, ends)
    found: dict[str, Seen] = {}
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
                found[key] = _extent_seen(touched, grids[key], axis, ends)
    return found


def _units(count: int, ends: bool) -> list[int]:
    """The unit along an axis that is scored in each image of the batch.

    Two images each for the middle and a unit beside it; or one each for the
    first two and the last two, as far apart.
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
        place[self.axis] = _units(size[self.axis], self.ends)
        unit = output[list(range(len(output))), :, place[0], place[1]]
        weights = torch.randn(
            unit.shape, generator=self.generator, dtype=torch.float64
        )
        return (unit * weights.to(unit)).sum(dim=1)


def _extent_seen(touched: Tensor, grid: Grid, axis: int, ends: bool) -> Seen:
    """Read both sides of the field from what each image's unit sees.

    Args:
        touched (Tensor): Whether a pixel moves the unit, (images, length).
        grid (Grid): The layer's grid.
        axis (int): Along which.
        ends (bool): As ``run_strip`` takes it.
    """
    line, stride = (grid.y, grid.x)[axis], grid.stride[axis]
    units = _units(grid.size[axis], ends)
    spans = []
    for unit, seen in zip(units, touched, strict=True):
        pixels = seen.nonzero().flatten()
        origin = line.offset + stride * unit
        spans.append((int(pixels[0]), int(pixels[-1]), origin))
    back, on = (spans[2:], spans[:2]) if ends else (spans, spans)
    lows = [low - origin for low, _, origin in back]
    highs = [high - origin for _, high, origin in on]
    if not ends:  # two draws of each unit are joined
        lows = [min(lows[:2]), min(lows[2:])]
        highs = [max(highs[:2]), max(highs[2:])]
    low, high = min(s[0] for s in back), max(s[1] for s in on)
    length = touched.shape[1]
    apart = units[0] != units[-2]
    return Seen(
        before=lows[-1] if ends else lows[0],
        after=highs[0],
        bounded=low > 0 and high < length - 1 and apart,
        filled=low == 0 and high == length - 1,
        same=lows[0] == lows[1] and highs[0] == highs[1],
        stride=stride,
    )
