"""Windows: the part of an image that can move a unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from ..grid.coordinates import Grid, UnitYX

Span = tuple[int, int]  # first pixel, pixel after


@dataclass(frozen=True)
class Window:
    """A part of an image.

    Attributes:
        rows, columns (tuple[int, int]): First pixel, and the one after the
            last.
    """

    rows: Span
    columns: Span

    @property
    def corner(self) -> tuple[int, int]:
        """First row and column."""
        return self.rows[0], self.columns[0]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        return _length(self.rows), _length(self.columns)

    @property
    def area(self) -> int:
        """In pixels."""
        return self.size[0] * self.size[1]

    def crop(self, images: Tensor) -> Tensor:
        """The window's part of images (..., H, W)."""
        return images[..., slice(*self.rows), slice(*self.columns)]

    def touches_inner_edge(
        self, touched: Tensor, size: tuple[int, int]
    ) -> bool:
        """Whether a pixel at an edge that lies inside the image moves a unit.

        Args:
            touched (Tensor): Whether a pixel of this window moves a unit,
                (N, h, w) bool.
            size (tuple[int, int]): The image's (H, W).
        """
        edges = (
            (self.rows[0] > 0, touched[:, 0]),
            (self.rows[1] < size[0], touched[:, -1]),
            (self.columns[0] > 0, touched[:, :, 0]),
            (self.columns[1] < size[1], touched[:, :, -1]),
        )
        return any(bool(edge.any()) for inner, edge in edges if inner)


def _length(span: Span) -> int:
    return span[1] - span[0]


def aligned_span(low: float, high: float, step: int, length: int) -> Span:
    """The smallest span of whole steps that holds [low, high), clipped.

    Args:
        low, high (float): In pixels.
        step (int): The span begins and ends at multiples of this, px.
        length (int): Pixels of the image along the axis.

    Example:
        >>> aligned_span(13, 50, 8, 60)
        (8, 56)
        >>> aligned_span(-5, 59, 8, 60)
        (0, 60)
    """
    first = max(math.floor(low / step) * step, 0)
    return first, min(math.ceil(high / step) * step, length)


@dataclass(frozen=True)
class UnitPlace:
    """Where a layer's unit is in an image.

    Attributes:
        grid (Grid): The layer's grid over the whole image.
        unit (tuple[int, int]): Its unit.
        step (tuple[int, int]): A crop starts at a multiple of this (px), so
            that its units sit at the same pixels; (0, 0) where no crop
            has such units.
        field (Window, optional): The unit's receptive field.
    """

    grid: Grid
    unit: UnitYX
    step: tuple[int, int]
    field: Window | None = None

    def window(self, size: tuple[int, int], margin: float = 0.0) -> Window:
        """The aligned window about the field, one pixel larger on each side.

        Args:
            size (tuple[int, int]): The image's (H, W).
            margin (float): Added on each side, as a share of the field's
                side.
        """
        assert self.field is not None
        spans = []
        for axis, span in enumerate((self.field.rows, self.field.columns)):
            spare = 1 + margin * _length(span)
            spans.append(
                aligned_span(
                    span[0] - spare,
                    span[1] + spare,
                    self.step[axis],
                    size[axis],
                )
            )
        return Window(spans[0], spans[1])

    def unit_in(self, window: Window) -> UnitYX | None:
        """The unit (y, x) in a crop; None where it is no whole number."""
        unit = []
        for index, first, jump in zip(
            self.unit, window.corner, self.grid.stride, strict=True
        ):
            shift = first / jump if jump else 0.0
            if shift != int(shift):
                return None
            unit.append(index - int(shift))
        return unit[0], unit[1]


def bounding_window(windows: Iterable[Window]) -> Window:
    """The smallest window that holds several."""
    every = list(windows)
    spans = []
    for axis in ('rows', 'columns'):
        ends = [getattr(window, axis) for window in every]
        spans.append((min(e[0] for e in ends), max(e[1] for e in ends)))
    return Window(spans[0], spans[1])


def common_window(
    places: Iterable[UnitPlace], size: tuple[int, int], margin: float
) -> Window:
    """A window that holds the fields of several layers' units.

    Args:
        places (iterable of UnitPlace): The layers' units.
        size (tuple[int, int]): The image's (H, W).
        margin (float): Added on each side, as a share of the fields' sides.
    """
    every = list(places)
    inner = bounding_window(place.window(size, margin) for place in every)
    spans = []
    for axis, (low, high) in enumerate((inner.rows, inner.columns)):
        step = math.lcm(*(place.step[axis] for place in every))
        spans.append(aligned_span(low, high, step, size[axis]))
    return Window(spans[0], spans[1])


def attention_window(model: nn.Module) -> int:
    """Least common multiple of all ``window_size`` of a model's modules.

    In units; 1 where no module has one.
    """
    sides = [1]
    for module in model.modules():
        given = module.__dict__.get('window_size', 1)
        for side in given if isinstance(given, (tuple, list)) else [given]:
            if isinstance(side, int) and side > 0:
                sides.append(side)
    return math.lcm(*sides)
