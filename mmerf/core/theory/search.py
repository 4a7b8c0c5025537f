"""The structural support of every layer, found from gradients.

No formula per layer type: a unit's channels are summed with random weights,
and wherever the gradient is not exactly zero, the input can move the unit.
Each axis is searched on three strips of growing length. The shorter two score
units in the middle. The longest scores the first and the last units, so that
a field can be followed twice as far.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import nn

from ..batch import Forward
from ..errors import ModelError, one_line
from ..layers.names import Layer
from ..results.theoretical_field import Extent, Support
from .strip_probe import StripExtent, run_strip

SHORT_SIDES = (32, 64, 128)  # px, widths of a strip; the first that runs
LENGTHS = (96, 352)  # px, of the strips whose middle units are scored
LONGEST = 1056  # px, of the strip whose first and last units are scored
MakeForward = Callable[[nn.Module], Forward]
# By layer key: extent, stride (px), whether it holds for any unit.
AxisExtents = dict[str, tuple[Extent, float, bool]]


def structural_support(
    model: nn.Module,
    layers: list[Layer],
    make_forward: MakeForward,
    input_size: tuple[int, int],
    channels: int = 3,
) -> dict[str, Support]:
    """Theoretical receptive field of each layer's middle unit.

    Works on a float64 copy: the model's own state is not touched. Weights
    that are exactly zero, as in a residual branch that starts switched off,
    get random values in the copy: they are part of the structure.

    Args:
        model (nn.Module): Without wrappers.
        layers (list of Layer): From ``find_layers``.
        make_forward (callable): ``make_forward(copy)`` gives the
            ``forward(images, positions)`` that runs a copy of the model.
        input_size (tuple[int, int]): (H, W) of the measured images; boxes
            that depend on the unit's place are those at this size.
        channels (int): Channels of the input.

    Returns:
        dict[str, Support]: By layer key, in input pixels. Layers whose unit no
        pixel moves are missing.

    Raises:
        ModelError: If the model cannot be copied, or runs on no strip.
        LayerError: If a layer cannot be read there.
    """
    search = _StripSearch(model, layers, make_forward, channels)
    down = search.search_axis(0, input_size[0])
    across = search.search_axis(1, input_size[1])
    found = {}
    for key in (key for key in down if key in across):
        (y, stride_y, any_y), (x, stride_x, any_x) = down[key], across[key]
        phase = 'any unit' if any_y and any_x else 'this unit'
        found[key] = Support(y, x, (stride_y, stride_x), phase)
    return found


class _StripSearch:
    """Runs a private copy of the model on strips of growing length."""

    def __init__(
        self,
        model: nn.Module,
        layers: list[Layer],
        make_forward: MakeForward,
        channels: int,
    ) -> None:
        self.model = _without_zeros(_copy_of(model).double())
        modules = dict(self.model.named_modules())
        self.layers = [
            replace(layer, module=modules[layer.name], optional=True)
            for layer in layers
        ]
        self.forward = make_forward(self.model)
        self.channels = channels
        self.short = SHORT_SIDES[0]

    def search_axis(self, axis: int, length: int) -> AxisExtents:
        """Each layer's extent along an axis (0 down, 1 across).

        The longest strip decides: a field with gaps, as a large dilation
        has, may end inside a short one and go on beyond it.
        """
        last: dict[str, StripExtent] = {}
        filled: dict[str, int] = {}
        place_dependent: set[str] = set()
        for size in (*LENGTHS, LONGEST):
            found = self.run_narrow_strip(
                axis, size, place_dependent, ends=size == LONGEST
            )
            for key, seen in found.items():
                last[key] = seen
                filled[key] = filled.get(key, 0) + 1 if seen.filled else 0
                if seen.bounded and not seen.same:
                    place_dependent.add(key)
        done: AxisExtents = {}
        for key, seen in last.items():
            kind = 'global' if filled[key] > 1 else 'at least'
            kind = 'box' if seen.bounded else kind
            extent = Extent(kind, seen.before, seen.after)
            done[key] = (extent, seen.stride, True)
        if place_dependent:  # attention windows: the measured unit's own box
            found = self.run_narrow_strip(
                axis, length, last.keys() - place_dependent
            )
            for key in place_dependent & found.keys():
                seen = found[key]
                extent = Extent('box', seen.before, seen.after)
                done[key] = (extent, seen.stride, False)
        return done

    def run_narrow_strip(
        self, axis: int, size: int, skip: Iterable[str], ends: bool = False
    ) -> dict[str, StripExtent]:
        """Run one strip, as narrow as the model allows."""
        for short in SHORT_SIDES[SHORT_SIDES.index(self.short) :]:
            self.short = short
            shape = (size, short) if axis == 0 else (short, size)
            try:
                return run_strip(
                    self.model,
                    self.layers,
                    self.forward,
                    (self.channels, *shape),
                    axis,
                    skip=set(skip),
                    ends=ends,
                )
            except ModelError:
                if short == SHORT_SIDES[-1]:
                    raise
        raise AssertionError('unreachable')


def _copy_of(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:  # a module's own copying code
        raise ModelError(
            f'the model cannot be copied: {one_line(error, 120)}'
        ) from error


def _without_zeros(model: nn.Module) -> nn.Module:
    """Replace zeros among the weights by random values of the others' size."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point():
                continue
            zero = parameter == 0
            if not zero.any():
                continue
            noise = torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
            scale = float(parameter.square().mean().sqrt()) or 0.5
            fill = (noise * scale).to(parameter)
            parameter.copy_(torch.where(zero, fill, parameter))
    return model
