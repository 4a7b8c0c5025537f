"""Confirm a window: each unit's value there is its value in the whole image.

Forward passes without gradient over the whole image decide, channel by
channel. Where the model's operations tell that no unit depends on anything
outside, it is one pass, with other content outside the window, every other
block of it amplified and shifted up. Where they do not tell, four passes: the
image as it is, with other content outside, and with all of the outside
amplified, shifted up and shifted down, so that a largest value, a smallest
one, a mean and a median of the image lie elsewhere.

A channel that an activation holds at its lowest or highest value tells
nothing. Where all but a few do, other contents are drawn; where no channel
ever tells, the window is not confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..errors import ModelError
from ..grid.coordinates import Grid, UnitYX
from ..running.layer_scores import LayerScores
from ..running.probes import Probe, thinned, values_at
from ..targets.base import TargetContext
from .outline import OutlinedForward, agree
from .window import UnitPlace, Window

OF_SPREAD = 1e-4  # difference allowed, of a channel's own spread
OF_VALUE = 2e-6  # and of its value: rounding of float32
AMPLIFIED = 8.0
SPREAD_OVER = 32  # rows and columns of an output's middle
COMPARED = 64  # rows and columns of an output that a unit is held against
FURTHER = 2  # contents from this one on are drawn only if needed
TELLING = 8  # channels; of fewer, half of those that vary
BLOCK = 4  # px, of an outside of which every other block is amplified
OTHER_OPERATIONS = 'a part of the image runs other operations than the whole'


class UnitValues(Probe):
    """Keeps each unit's channels, and how a channel varies in the middle.

    Args:
        units (mapping): Unit by layer key.

    Attributes:
        values (dict[str, Tensor]): By layer key, the unit's channels (C,).
        telling (dict[str, Tensor]): By layer key, whether a channel of the
            unit is neither the lowest nor the highest of its output, of which
            some rows and columns are looked at, and so held by no activation.
        spreads (dict[str, Tensor]): By layer key, how far each channel
            spreads in the middle, (C,).
    """

    def __init__(self, units: Mapping[str, UnitYX | None]) -> None:
        self.units = units
        self.values: dict[str, Tensor] = {}
        self.telling: dict[str, Tensor] = {}
        self.spreads: dict[str, Tensor] = {}

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Keep a unit's (C,) of an output (1, C, h, w); score nothing."""
        key = context.layer
        with _disable_current_modes():  # what reads here is no operation
            # A clone: what is kept of an output would keep all its memory.
            unit = values_at(output, self.units[key], context)[0]
            self.values[key] = unit.clone()
            # Of the middle: padding may make values at the border far larger.
            h, w = output.shape[2:]
            middle = output[0, :, h // 4 : h - h // 4, w // 4 : w - w // 4]
            self.spreads[key] = _spreads(thinned(middle[None], SPREAD_OVER)[0])
            some = thinned(output, COMPARED)[0].flatten(1).float()
            below = (some < unit[:, None]).any(1)
            self.telling[key] = below & (some > unit[:, None]).any(1)
            return output.new_zeros(output.shape[:1])


def unconfirmed(
    layers: LayerScores,
    forward: OutlinedForward,
    image: Tensor,
    places: Mapping[str, UnitPlace],
    window: Window,
    by_operations: bool = False,
    strips: Sequence[list[tuple]] = (),
) -> set[str]:
    """Layers whose unit is worth something else in the whole image.

    Args:
        layers (LayerScores): Those that are to run in the window.
        forward (callable): Runs the model.
        image (Tensor): Shape (1, C, H, W), no two places alike.
        places (mapping): Each layer's unit in the whole image.
        window (Window): What is to be confirmed.
        by_operations (bool): Whether the model's operations tell that no
            unit depends on anything outside.
        strips (sequence): The forward's steps on strips of the image, from
            which it is known what units may depend on.

    Returns:
        set[str]: Keys; also of layers whose grid lies elsewhere in a crop.

    Raises:
        ModelError: If the model does not run on the window, or does something
            else there, or did on a part, than on the whole image.
        LayerError: If a layer cannot be read there.
    """
    inside = {key: place.unit_in(window) for key, place in places.items()}
    wrong = {key for key, unit in inside.items() if unit is None}
    if wrong:
        return wrong
    whole = {key: place.unit for key, place in places.items()}
    cropped: dict[int, UnitValues] = {}
    told: dict[str, Tensor] = {}
    in_crop: list[tuple] = []
    draws = _draws(image, window, by_operations)
    for number, content, drawn in chain(draws, _more(image, window, told)):
        if number not in cropped:
            crop = window.crop(content)
            cropped[number], grids = _unit_values(
                layers, forward, crop, inside
            )
            wrong |= _moved(places, grids, inside, window.corner)
            in_crop = forward.steps
        seen, grids = _unit_values(layers, forward, drawn, whole)
        if not agree(forward.steps, [in_crop, *strips]):
            raise ModelError(OTHER_OPERATIONS)
        wrong |= _moved(places, grids, whole, (0, 0))
        wrong |= _differing(cropped[number], seen, places)
        if wrong:
            return wrong
        for key, spread in seen.spreads.items():
            now = torch.stack([seen.telling[key], spread > 0])
            told[key] = now | told[key] if key in told else now
    return {key for key, (telling, _) in told.items() if not telling.any()}


def _is_enough(told: Tensor) -> bool:
    """Whether enough channels have told something, of those that vary."""
    telling, varying = (int(each.sum()) for each in told)
    return telling >= TELLING or 2 * telling >= varying > 0


def _draws(
    image: Tensor, window: Window, by_operations: bool
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Number of the inside's content, that content, and a whole image."""
    height, width = image.shape[2:]
    elsewhere = image.roll((height // 2, width // 2), (2, 3))
    mirrored = image.flip(3)
    far = AMPLIFIED * spread_of(image)
    higher, lower = AMPLIFIED * mirrored + far, -AMPLIFIED * elsewhere - far
    if by_operations:
        rows, columns = (
            torch.arange(length, device=image.device) // BLOCK % 2 == 1
            for length in (height, width)
        )
        both = torch.where(rows[:, None] ^ columns, higher, elsewhere)
        yield 0, image, _joined(image, both, window)
        return
    yield 0, image, image
    yield 0, image, _joined(image, elsewhere, window)
    yield 1, mirrored, _joined(mirrored, higher, window)
    yield 1, mirrored, _joined(mirrored, lower, window)


def _more(
    image: Tensor, window: Window, told: Mapping[str, Tensor]
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """As ``_draws``, with other contents, until enough channels have told."""
    for number, (sign, flipped) in enumerate(
        product((-1, 1), ((2,), (2, 3))), FURTHER
    ):
        if all(map(_is_enough, told.values())):
            return
        middle = image.mean((2, 3), keepdim=True)
        inside = (middle + sign * (image - middle)).flip(flipped)
        outside = AMPLIFIED * (image + spread_of(image))
        yield number, inside, _joined(inside, outside, window)


def _joined(inside: Tensor, outside: Tensor, window: Window) -> Tensor:
    """One image's content in the window, another's around it."""
    joined = outside.clone()
    window.crop(joined).copy_(window.crop(inside))
    return joined


def _unit_values(
    layers: LayerScores,
    forward: OutlinedForward,
    image: Tensor,
    units: Mapping[str, UnitYX | None],
) -> tuple[UnitValues, dict[str, Grid]]:
    values = UnitValues(units)
    with torch.no_grad():
        layers.probe(forward, image, values, [0])
    return values, layers.grids(tuple(image.shape[1:]))


def _spreads(channels: Tensor) -> Tensor:
    """How far each of (C, h, w) spreads: of a normal one, its deviation.

    Of distinct values, so that zeros of a ReLU do not count, nor a huge number
    that fills some places; the outer ones may be heavy tails.
    """
    values = channels.flatten(1).float().sort(dim=1).values
    distinct = torch.ones_like(values, dtype=torch.bool)
    distinct[:, 1:] = values[:, 1:] > values[:, :-1]
    rank, count = distinct.cumsum(1), distinct.sum(1, keepdim=True)
    low, high = (
        values.gather(
            1, (rank >= (share * count).ceil()).int().argmax(1, True)
        )
        for share in (0.1, 0.9)
    )
    return (high - low)[:, 0] / 2.56


def _moved(
    places: Mapping[str, UnitPlace],
    grids: Mapping[str, Grid],
    units: Mapping[str, UnitYX | None],
    corner: tuple[int, int],
) -> set[str]:
    """Layers whose unit is not at the same pixel of the whole image."""
    moved = set()
    for key, place in places.items():
        unit = units[key]
        if unit is None or key not in grids:
            moved.add(key)
            continue
        here, there = grids[key].pixel(unit), place.grid.pixel(place.unit)
        if any(
            abs(a + first - b) > 1e-6
            for a, b, first in zip(here, there, corner, strict=True)
        ):
            moved.add(key)
    return moved


def _differing(
    crop: UnitValues, whole: UnitValues, keys: Mapping[str, UnitPlace]
) -> set[str]:
    """Layers of which a channel differs by more than rounding."""
    wrong = set()
    for key in keys:
        if key not in crop.values or key not in whole.values:
            wrong.add(key)
            continue
        one, other = crop.values[key], whole.values[key]
        allowed = OF_SPREAD * whole.spreads[key] + OF_VALUE * other.abs()
        if not bool(((one - other).abs() <= allowed).all()):
            wrong.add(key)
    return wrong


def with_noise(image: Tensor) -> Tensor:
    """An image plus as strong noise, so that no two places are alike."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(image.shape, generator=generator)
    return image + noise.to(image) * spread_of(image)


def spread_of(image: Tensor) -> Tensor:
    """Each channel's standard deviation, (1, C, 1, 1); 1 for a constant.

    Several inputs may be joined in one image, of very different scales.
    """
    spread = image.std((2, 3), correction=0, keepdim=True)
    return torch.where(spread > 0, spread, torch.ones_like(spread))
