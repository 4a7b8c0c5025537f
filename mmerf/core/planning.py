"""Decides which layers are run on a window of the image, and on which."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from .capture import Capture
from .field_search import FieldSearch, Recorder
from .geometry import Axis, Grid
from .targets import Target
from .windows import Place, Window, aligned, around, attention_window

STRIP = 64  # px, the width of the strips that show every grid's size
# Cost of a backward pass in forward passes; see local_backward.
BACKWARD = {'cpu': 0.1}
_Line = tuple[Axis, int, int | None]  # axis, units, step


@dataclass
class Plan:
    """How images of one size are run.

    Attributes:
        window (Window, optional): The part that layers in ``inside`` need.
        places (dict[str, Place]): Of those, by layer key.
        inside (Capture, optional): The layers that run there.
        whole (Capture, optional): The layers that run on the whole image.
    """

    window: Window | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    inside: Capture | None = None
    whole: Capture | None = None


class Planner:
    """Plans the passes of a model for images of any size.

    Args:
        model (nn.Module): In eval mode.
        capture (Capture): The layers asked for.
        target (Target): With ``unit``.
    """

    def __init__(
        self, model: nn.Module, capture: Capture, target: Target
    ) -> None:
        self.capture, self.target = capture, target
        self.attention = attention_window(model)
        self.known: Capture | None = None  # once a forward was seen
        self.held: set[str] = set()  # layers whose window was checked
        self.refused: set[str] = set()  # layers whose window was wrong
        self._lines: dict[tuple[int, int], dict[str, _Line]] = {}
        self._fields: dict[str, tuple[float, ...]] = {}  # about the pixel

    def plan(
        self, run: Callable[[Tensor], Any], image: Tensor, room: float
    ) -> Plan:
        """The plan for images of this image's size.

        Args:
            run (callable): Runs the model on (1, C, h, w).
            image (Tensor): Shape (1, C, H, W), no two places alike.
            room (float): What windows leave on each side, as a share of the
                field.

        Raises:
            Exception: Whatever the model raises on a part of an image.
        """
        size = (int(image.shape[2]), int(image.shape[3]))
        places = self._places(run, image, size)
        fitting = {
            key: place
            for key, place in places.items()
            if key not in self.refused and place.step != (0, 0)
        }
        fields = self._known_fields(fitting, size)
        if fields is None:
            assert self.known is not None
            search = FieldSearch(self.known.only(fitting), run, image)
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
            wrong = self._wrong(plan, run, image, size)
            if not wrong:
                return plan
            # Once more with room: what was dead on the strips may live here.
            wider = self._choice(places, chosen, size, room + 1, device)
            again = self._wrong(wider, run, image, size)
            if not again:
                return wider
            self.refused |= again

    @property
    def order(self) -> list[str]:
        """Keys of all layers' outputs, as they were asked for."""
        return [] if self.known is None else [
            layer.key for layer in self.known.layers
        ]  # fmt: skip

    def _places(
        self, run: Callable, image: Tensor, size: tuple[int, int]
    ) -> dict[str, Place]:
        """Every layer's grid and unit, without running the whole image."""
        down = self._axis(run, image[:, :, :, :STRIP], 0)
        across = self._axis(run, image[:, :, :STRIP], 1)
        places = {}
        for key in down.keys() & across.keys():
            (y, rows, step_y), (x, columns, step_x) = down[key], across[key]
            grid = Grid((rows, columns), y, x)
            step = (step_y or 0, step_x or 0)
            if 0 in step or any(
                part * self.attention > full / 2
                for part, full in zip(step, size, strict=True)
            ):
                step = (0, 0)
            step = (step[0] * self.attention, step[1] * self.attention)
            places[key] = Place(grid, self.target.unit(grid), step)  # type: ignore[attr-defined]
        return places

    def _axis(
        self, run: Callable, strip: Tensor, axis: int
    ) -> dict[str, _Line]:
        shape = tuple(strip.shape[1:])
        length = shape[1 + axis]
        if (axis, length) in self._lines:
            return self._lines[axis, length]
        capture = self.known or self.capture
        capture = Capture(capture.layers, capture.front, capture.calls)
        with torch.no_grad():
            capture.scores(run, strip, Recorder(units={}))
        grids, steps = capture.contexts(shape), capture.steps(shape)
        self.known = self.known or capture.only(grids)
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
        self, places: Mapping[str, Place], size: tuple[int, int]
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
        places: Mapping[str, Place],
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
        places: Mapping[str, Place],
        fitting: Mapping[str, Place],
        size: tuple[int, int],
        room: float,
        device: str,
    ) -> Plan:
        """The cheapest split of layers between a window and the image."""
        order = sorted(
            fitting, key=lambda k: fitting[k].window(size, room).area
        )
        backward = BACKWARD.get(device, 1.0)
        best, cost = Plan(whole=self.capture), 1 + len(places) * backward
        for count in range(1, len(order) + 1):
            keys = order[:count]
            chosen = {key: fitting[key] for key in keys}
            window = _common(chosen.values(), size, room)
            share = window.area / (size[0] * size[1])
            rest = [key for key in places if key not in chosen]
            price = share * (1 + count * backward)
            price += (1 + len(rest) * backward) if rest else 0
            if price < 0.95 * cost and share < 1:
                assert self.known is not None
                whole = self.known.only(rest) if rest else None
                inside = self.known.only(keys)
                best = Plan(window, chosen, inside, whole)
                cost = price
        return best

    def _wrong(
        self,
        plan: Plan,
        run: Callable,
        image: Tensor,
        size: tuple[int, int],
    ) -> set[str]:
        """Layers whose unit is worth something else on a larger canvas."""
        if plan.window is None:
            return set()
        if plan.places.keys() <= self.held:
            return set()
        canvas = _common(plan.places.values(), size, 0.0, plan.window)
        kept = {}
        for window in (plan.window, canvas):
            units = {k: p.unit_in(window) for k, p in plan.places.items()}
            lost = {key for key, unit in units.items() if unit is None}
            if lost:
                return lost
            kept[window] = Recorder(units)
            capture = self.known.only(plan.places)  # type: ignore[union-attr]
            part = window.of(image)
            with torch.no_grad():
                capture.scores(run, part, kept[window])
            grids = capture.contexts(tuple(part.shape[1:]))
            moved = {
                key
                for key, place in plan.places.items()
                if not _same_pixel(place, grids[key], units[key], window)
            }
            if moved:
                return moved
        agree = kept[canvas].agrees(kept[plan.window])
        self.held |= {key for key, same in agree.items() if same}
        return {key for key, same in agree.items() if not same}


def _common(
    places: Iterable[Place],
    size: tuple[int, int],
    room: float,
    inner: Window | None = None,
) -> Window:
    """A window for several layers; of ``inner``, one of twice its sides."""
    every = list(places)
    if inner is None:
        inner, spare = around(p.window(size, room) for p in every), (0, 0)
    else:
        spare = (-(-inner.size[0] // 2), -(-inner.size[1] // 2))
    spans = []
    for axis, span in enumerate((inner.rows, inner.columns)):
        step = math.lcm(*(place.step[axis] for place in every))
        low, high = span[0] - spare[axis], span[1] + spare[axis]
        spans.append(aligned(low, high, step, size[axis]))
    return Window(spans[0], spans[1])


def _same_pixel(place: Place, grid: Grid, unit: Any, window: Window) -> bool:
    there = place.grid.pixel(place.unit)
    here = grid.pixel(unit)
    return all(
        abs(a + first - b) < 1e-6
        for a, b, first in zip(here, there, window.corner, strict=True)
    )


def _clipped(low: float, high: float, length: int) -> tuple[int, int]:
    return max(round(low), 0), min(round(high), length)
