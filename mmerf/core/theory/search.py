"""The theoretical field of every layer, from two sides.

*From above*: the operations of a forward tell, for every unit, the first and
the last pixel that it may depend on (``strip_bounds``). *From below*: they
also tell the pixels that do move it, as far as every operation before it is
known to pass a derivative on. Where they are fewer, gradients look for more
(``strip_probe``): a unit's channels are summed with random weights, and
wherever the gradient is not exactly zero, the input does move the unit. Where
both sides agree, the field is known; else what moved the unit is a bound.

Each axis takes one forward of a strip where no field is without an end, and
one more of a longer strip where one may be. Where operations do not tell,
strips grow until one shows all that the layers' middle units can depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import nn

from ..batch import Forward
from ..errors import ERFError, one_line
from ..grid.coordinates import Grid, UnitYX
from ..layers.defaults import OUTPUT
from ..layers.names import Layer
from ..results.theoretical_field import Support
from ..state.isolation import preserved
from .axis_search import AxisSearch
from .found import Found
from .model_copy import private_copy
from .strip_bounds import middle_unit
from .theory import Theory

MakeForward = Callable[[nn.Module], Forward]
UnitOf = Callable[[Grid], UnitYX | None]


def find_theory(
    model: nn.Module,
    layers: list[Layer],
    make_forward: MakeForward,
    input_size: tuple[int, int],
    channels: int = 3,
    unit_of: UnitOf | None = None,
) -> Theory:
    """As ``structural_support``; what goes wrong becomes the reason.

    A measurement is complete without theoretical fields, and must not be
    lost with them.
    """
    try:
        return structural_support(
            model, layers, make_forward, input_size, channels, unit_of
        )
    except ERFError as error:
        return Theory(reason=one_line(error, 160))
    except Exception as error:  # ours or a model's; the maps are worth more
        text = f'{type(error).__name__}: {one_line(error, 160)}'
        return Theory(reason=text)


def structural_support(
    model: nn.Module,
    layers: list[Layer],
    make_forward: MakeForward,
    input_size: tuple[int, int],
    channels: int = 3,
    unit_of: UnitOf | None = None,
) -> Theory:
    """Theoretical receptive field of each layer's unit.

    Works on a copy. The model itself is left as it was, also where
    the copy still reaches modules of the original.

    Args:
        model (nn.Module): Without wrappers.
        layers (list of Layer): From ``find_layers``.
        make_forward (callable): ``make_forward(copy)`` gives the
            ``forward(images, positions)`` that runs a copy of the model.
        input_size (tuple[int, int]): (H, W) of the measured images; boxes
            that depend on the unit's place are those at this size.
        channels (int): Channels of the input.
        unit_of (callable, optional): ``unit_of(grid)``, the unit that is
            measured, for fields that depend on the unit's place; None: the
            middle one.

    Returns:
        Theory: Fields in input pixels, and the reasons for those that are
        missing or bounds.

    Raises:
        ModelError: If the model cannot be copied, or runs on no strip.
        LayerError: If a layer cannot be read there.
    """
    with preserved(model):
        copied = private_copy(model)
        modules = {OUTPUT: copied, **dict(copied.named_modules())}
        inside = [
            replace(layer, module=modules[layer.name], optional=True)
            for layer in layers
        ]
        forward = make_forward(copied)
        unit_of = unit_of or middle_unit
        down, across = (
            AxisSearch(
                copied, inside, forward, channels, axis, unit_of
            ).search(length)
            for axis, length in enumerate(input_size)
        )
    return _joined_axes(down, across)


def _joined_axes(
    down: Mapping[str, Found], across: Mapping[str, Found]
) -> Theory:
    fields, reasons = {}, {}
    for key in down:
        if key not in across:
            continue
        y, x = down[key], across[key]
        why = [found.why for found in (y, x) if found.why is not None]
        if why:
            reasons[key] = why[0]
        if y.extent is None or x.extent is None:
            continue
        phase = 'any unit' if y.any_unit and x.any_unit else 'this unit'
        fields[key] = Support(y.extent, x.extent, (y.stride, x.stride), phase)
    return Theory(fields, reasons)
