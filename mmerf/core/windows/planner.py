"""Decides which layers are run on a window of the image, and on which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..grid.coordinates import Axis, Grid
from ..running.layer_scores import LayerScores
from ..running.probes import Recorder
from ..targets.base import Target
from .field_search import FieldSearch
from .window import UnitPlace, Window, attention_window, common_window

STRIP = 64  # px, the width of the strips that show every grid's size
# Cost of a backward pass in forward passes; see gradient.sparse_backward.
BACKWARD = {'cpu': 0.1}
_Line = tuple[Axis, int, int | None]  # axis, units, step


@dataclass
class WindowPlan:
    """How images of one size are run.

    Attributes:
        window (Window, optional): The part that layers in ``inside`` need.
        places (dict[str, UnitPlace]): Of those, by layer key.
        inside (LayerScores, optional): The layers that run there.
        whole (LayerScores, optional): The layers that run on the whole image.
        reason (str): Why no window was found, where looking for one failed.
    """

    window: Window | None = None
    places: Mapping[str, UnitPlace] = field(default_factory=dict)
    inside: LayerScores | None = None
    whole: LayerScores | None = None
    reason: str = ''


class Planner:
    """Plans the passes of a model for images of any size.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        target (Target): A windowed one.
    """

    def __init__(
        self, model: nn.Module, layers: LayerScores, target: Target
    ) -> None:
        self.layers, self.target = layers, target
        self.attention = attention_window(model)
        self.known: LayerScores | None = None  # once a forward was seen
        self.held: set[str] = set()  # layers whose window was checked
        self.refused: set[str] = set()  # layers whose window was wrong
        self._lines: dict[tuple[int, int], dict[str, _Line]] = {}
        self._fields: dict[str, tuple[float, ...]] = {}  # about the pixel

    def plan(self, forward: Forward, image: Tensor, room: float) -> WindowPlan:
        """The plan for images of this image's size.

        Args:
            forward (callable): Runs the model on parts of the image.
            image (Tensor): Shape (1, C, H, W), no two places alike.
            room (float): What windows leave on each side, as a share of the
                field.

        Raises:
            ModelError: If the model does not run on a part of the image.
            LayerError: If a layer cannot be read there.
        """
        size = (int(image.shape[2]), int(image.shape[3]))
        places = self._places(forward, image, size)
        fitting = {
            key: place
            for key, place in places.items()
            if key not in self.refused and place.step != (0, 0)
        }
        fields = self._known_fields(fitting, size)
        if fields is None:
            assert self.known is not None
            search = FieldSearch(self.known.only(fitting), forward, image)
            fields = search.fields(fitting)
            self._remember(fitting, fields, size)
        device = image.device.type
        while True:
            chosen = {
                key: replace(fitting[key], field=seen)
                for key, seen in fields.items()
                if key not in self.refused
            }
            plan = self._choice(places, chosen, size, room, device)
            wrong = self._wrong(plan, forward, image, size)
            if not wrong:
                return plan
            # Once more with room: what was dead on the strips may live here.
            wider = self._choice(places, chosen, size, room + 1, device)
            again = self._wrong(wider, forward, image, size)
            if not again:
                return wider
            self.refused |= again

    @property
    def order(self) -> list[str]:
        """Keys of all layers' outputs, in the order of the layers."""
        known = [] if self.known is None else self.known.layers
        return [layer.key for layer in known]

    def _places(
        self, forward: Forward, image: Tensor, size: tuple[int, int]
    ) -> dict[str, UnitPlace]:
        """Every layer's grid and unit, without running the whole image."""
        down = self._axis(forward, image[:, :, :, :STRIP], 0)
        across = self._axis(forward, image[:, :, :STRIP], 1)
        places = {}
        for key in (key for key in down if key in across):
            (y, rows, step_y), (x, columns, step_x) = down[key], across[key]
            grid = Grid((rows, columns), y, x)
            step = (step_y or 0, step_x or 0)
            if 0 in step or any(
                part * self.attention > full / 2
                for part, full in zip(step, size, strict=True)
            ):
                step = (0, 0)
            step = (step[0] * self.attention, step[1] * self.attention)
            unit = self.target.unit(grid)
            assert unit is not None  # it is windowed
            places[key] = UnitPlace(grid, unit, step)
        return places

    def _axis(
        self, forward: Forward, strip: Tensor, axis: int
    ) -> dict[str, _Line]:
        shape = tuple(strip.shape[1:])
        length = shape[1 + axis]
        if (axis, length) in self._lines:
            return self._lines[axis, length]
        known = self.known or self.layers
        layers = LayerScores(known.layers, known.front, known.calls)
        with torch.no_grad():
            layers.probe(forward, strip, Recorder(units={}), [0])
        grids, steps = layers.grids(shape), layers.steps(shape)
        self.known = self.known or layers.only(grids)
        self._lines[axis, length] = {
            key: (
                (grid.y, grid.x)[axis],
                grid.size[axis],
                (steps[key] or (0, 0))[axis] if grid.known else None,
            )
            for key, grid in grids.items()
        }
        return self._lines[axis, length]

    def _known_fields(
        self, places: Mapping[str, UnitPlace], size: tuple[int, int]
    ) -> dict[str, Window] | None:
        """Fields found at another size; they move with the unit."""
        if self.attention > 1 or not places.keys() <= self._fields.keys():
            return None
        fields = {}
        for key, place in places.items():
            y, x = place.grid.pixel(place.unit)
            top, bottom, left, right = self._fields[key]
            fields[key] = Window(
                _clipped(y + top, y + bottom, size[0]),
                _clipped(x + left, x + right, size[1]),
            )
        return fields

    def _remember(
        self,
        places: Mapping[str, UnitPlace],
        fields: Mapping[str, Window],
        size: tuple[int, int],
    ) -> None:
        """Keep fields that no border of the image has cut."""
        for key, seen in fields.items():
            (top, bottom), (left, right) = seen.rows, seen.columns
            y, x = places[key].grid.pixel(places[key].unit)
            if min(top, left) > 0 and bottom < size[0] and right < size[1]:
                self._fields[key] = (top - y, bottom - y, left - x, right - x)

    def _choice(
        self,
        places: Mapping[str, UnitPlace],
        fitting: Mapping[str, UnitPlace],
        size: tuple[int, int],
        room: float,
        device: str,
    ) -> WindowPlan:
        """The cheapest split of layers between a window and the image."""
        order = sorted(
            fitting, key=lambda k: fitting[k].window(size, room).area
        )
        backward = BACKWARD.get(device, 1.0)
        best, cost = WindowPlan(whole=self.layers), 1 + len(places) * backward
        for count in range(1, len(order) + 1):
            keys = order[:count]
            chosen = {key: fitting[key] for key in keys}
            window = common_window(chosen.values(), size, room)
            share = window.area / (size[0] * size[1])
            rest = [key for key in places if key not in chosen]
            price = share * (1 + count * backward)
            price += (1 + len(rest) * backward) if rest else 0
            if price < 0.95 * cost and share < 1:
                assert self.known is not None
                whole = self.known.only(rest) if rest else None
                inside = self.known.only(keys)
                best = WindowPlan(window, chosen, inside, whole)
                cost = price
        return best

    def _wrong(
        self,
        plan: WindowPlan,
        forward: Forward,
        image: Tensor,
        size: tuple[int, int],
    ) -> set[str]:
        """Layers whose unit's value changes with more image around it.

        For them the window is too small.
        """
        if plan.window is None:
            return set()
        if plan.places.keys() <= self.held:
            return set()
        canvas = common_window(plan.places.values(), size, 0.0, plan.window)
        kept = {}
        for window in (plan.window, canvas):
            units = {k: p.unit_in(window) for k, p in plan.places.items()}
            lost = {key for key, unit in units.items() if unit is None}
            if lost:
                return lost
            kept[window] = Recorder(units)
            assert self.known is not None
            layers = self.known.only(plan.places)
            part = window.of(image)
            with torch.no_grad():
                layers.probe(forward, part, kept[window], [0])
            grids = layers.grids(tuple(part.shape[1:]))
            moved = {
                key
                for key, place in plan.places.items()
                if key not in grids
                or not _same_pixel(place, grids[key], units[key], window)
            }
            if moved:
                return moved
        agree = kept[canvas].agrees(kept[plan.window])
        self.held |= {key for key, same in agree.items() if same}
        return {key for key, same in agree.items() if not same}


def _same_pixel(
    place: UnitPlace, grid: Grid, unit: Any, window: Window
) -> bool:
    there = place.grid.pixel(place.unit)
    here = grid.pixel(unit)
    return all(
        abs(a + first - b) < 1e-6
        for a, b, first in zip(here, there, window.corner, strict=True)
    )


def _clipped(low: float, high: float, length: int) -> tuple[int, int]:
    return max(round(low), 0), min(round(high), length)
