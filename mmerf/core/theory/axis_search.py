"""The field along one axis, on strips of growing length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from torch import nn

from ..batch import Forward
from ..errors import ModelError
from ..grid.coordinates import Grid, UnitYX
from ..layers.names import Layer
from .found import Found, at_least, box_or_bound, extent_of
from .strip_bounds import Bound, Bounds, bound_strip, middle_unit
from .strip_probe import (
    IMAGES,
    Ends,
    Wanted,
    attempts,
    covers,
    joined_ends,
    touched_spans,
)

SHORT_SIDES = (32, 64, 128)  # px, widths of a strip; the first that runs
# px, lengths of strips; the last ones only where a field may end there
LENGTHS = (256, 1056, 2112, 4224, 8448, 16896)
FILLED = LENGTHS[1]  # px, of the strip that a global field fills
MOST_ELEMENTS = 125_000_000  # numbers of a forward on a longer strip


class AxisSearch:
    """Runs a private copy of the model on strips along one axis.

    Args:
        model (nn.Module): The copy; gradients make it float64.
        layers (list of Layer): Of the copy.
        forward (callable): ``forward(images, positions)`` runs the copy.
        channels (int): Channels of the input.
        axis (int): 0 down, 1 across.
        unit_of (callable): ``unit_of(grid)``, the unit that is measured.

    Attributes:
        done (dict[str, Found]): Fields that are settled, by layer key.
        by_place (dict[str, float]): Keys of the layers whose field depends
            on the unit's place or on the image's size, with their strides.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: list[Layer],
        forward: Forward,
        channels: int,
        axis: int,
        unit_of: Callable[[Grid], UnitYX | None] = middle_unit,
    ) -> None:
        self.unit_of = unit_of
        self.model, self.layers, self.forward = model, layers, forward
        self.channels, self.axis = channels, axis
        floats = (p.dtype for p in model.parameters())
        self.dtype = next((d for d in floats if d.is_floating_point), None)
        self.done: dict[str, Found] = {}
        self.by_place: dict[str, float] = {}
        self._strips: dict[int, tuple[tuple[int, int, int], Bounds]] = {}
        self._short = SHORT_SIDES[0]

    def search(self, length: int) -> dict[str, Found]:
        """Each layer's field.

        Args:
            length (int): Side of the measured images along the axis, in px.

        Returns:
            dict[str, Found]: By the key of every layer that was run.

        Raises:
            ModelError: If the model runs on no strip.
            LayerError: If a layer cannot be read there.
        """
        failure = None
        for size in LENGTHS:
            if not self._may_go_on(size):
                break
            try:
                self._settle(size)
            except ModelError as error:
                failure = error
        if failure is not None and not self._strips:
            raise failure
        for size in sorted(self._strips, reverse=True):
            try:
                self._bound_the_rest(size)
                break
            except ModelError:
                continue  # such as out of memory
        self._at_place(length)
        return self.done

    def _may_go_on(self, size: int) -> bool:
        """Whether a longer strip can settle more, and is not too much.

        Where none has run, nobody knows how much one is: attention over a
        long strip can take all memory before the model fails on it.
        """
        if not self._strips:
            return size <= FILLED
        longest, (_, bounds) = max(self._strips.items())
        elements = bounds.elements * size / longest
        return bool(self._open(bounds)) and (
            size <= FILLED or elements <= MOST_ELEMENTS
        )

    def _open(self, bounds: Bounds) -> dict[str, Bound]:
        settled = {*self.done, *self.by_place}
        return {k: b for k, b in bounds.by_key.items() if k not in settled}

    def _settle(self, size: int) -> None:
        """Settle the layers that a strip shows enough of."""
        shape, bounds = self._strip(size)
        whole = (0.0, size - 1.0)
        wanted: dict[str, Ends] = {}
        for key, bound in self._open(bounds).items():
            if not bound.reached:
                why = 'it depends on no pixel of the input'
                self.done[key] = Found(None, bound.stride, why=why)
            elif bound.closed and bound.same:
                if covers(bound.moved, bound.spans[0]) or bound.within(size):
                    wanted[key] = bound.spans[0]
            elif bound.closed or bound.unknown:
                self.by_place[key] = bound.stride
            elif size >= FILLED and bound.joins:
                wanted[key] = whole
            elif size >= FILLED and (bound.finite or bound.by_windows):
                self.by_place[key] = bound.stride
        spans = self._touched(shape, bounds, wanted)
        for key in wanted:
            bound, span = bounds.by_key[key], spans.get(key)
            if bound.closed:
                self.done[key] = box_or_bound(span, bound, bounds)
            elif covers(span, whole):
                extent = extent_of('global', whole, bound)
                self.done[key] = Found(extent, bound.stride)
            else:
                self.by_place[key] = bound.stride

    def _bound_the_rest(self, size: int) -> None:
        """Layers for which no strip was long enough get a bound."""
        shape, bounds = self._strips[size]
        whole = (0.0, size - 1.0)
        rest = dict.fromkeys(self._open(bounds), whole)
        spans = self._touched(shape, bounds, rest)
        why = f'its operations may reach beyond a strip of {size} px'
        for key in rest:
            bound = bounds.by_key[key]
            self.done[key] = at_least(spans.get(key), bound, bounds, why)

    def _at_place(self, length: int) -> None:
        """Settle fields of the measured image's own unit, as of windows."""
        if not self.by_place:
            return
        try:
            shape, bounds = self._strip(length, endless=False)
            here = {
                key: bound
                for key, bound in bounds.by_key.items()
                if key in self.by_place
            }
            wanted = {key: bound.spans[0] for key, bound in here.items()}
            spans = self._touched(shape, bounds, wanted, self.unit_of)
        except ModelError as error:
            why = (
                "it depends on the unit's place, and the model does not run "
                f'on a strip of the {length} px of the image: {error}'
            )
            here, spans = {}, {}
        else:
            why = "it was not read at the image's size"
        for key, stride in self.by_place.items():
            if key in here:
                found = box_or_bound(spans.get(key), here[key], bounds)
            else:
                found = Found(None, stride, why=why)
            self.done[key] = replace(found, any_unit=False)

    def _strip(
        self, size: int, endless: bool = True
    ) -> tuple[tuple[int, int, int], Bounds]:
        """Run a strip, as narrow as the model allows, and keep its bounds."""
        for short in SHORT_SIDES[SHORT_SIDES.index(self._short) :]:
            sides = (size, short) if self.axis == 0 else (short, size)
            shape = (self.channels, *sides)
            try:
                bounds = bound_strip(
                    self.model,
                    self.layers,
                    self.forward,
                    shape,
                    self.axis,
                    endless,
                    middle_unit if endless else self.unit_of,
                    self.dtype,
                )
            except ModelError:
                if short == SHORT_SIDES[-1]:
                    raise
                continue
            self._short = short
            if endless:
                self._strips[size] = shape, bounds
            return shape, bounds
        raise AssertionError('unreachable')

    def _touched(
        self,
        shape: tuple[int, int, int],
        bounds: Bounds,
        wanted: Mapping[str, Ends],
        unit_of: Callable[[Grid], UnitYX | None] = middle_unit,
    ) -> dict[str, Ends]:
        """What moves each unit, until it is as wide as it can be.

        Where the operations tell, no gradient is computed. Else a few images
        come first, then wider strips: the taps of an even, dilated kernel lie
        beside a narrow one. Many images come last, for what only few channels
        pass on.
        """
        found = _moved_by_operations(bounds, wanted)
        if all(covers(found.get(key), span) for key, span in wanted.items()):
            return found
        length, short = shape[1 + self.axis], shape[2 - self.axis]
        for number, (times, draws) in enumerate(attempts(bounds)):
            sides = [length, short * times][:: 1 - 2 * self.axis]
            pending = {
                key: Wanted(span, draws)
                for key, span in wanted.items()
                if not covers(found.get(key), span)
                and (
                    number == 0
                    or bounds.by_key[key].closed
                    or key not in found
                )
            }
            if not pending:
                break
            try:
                seen = touched_spans(
                    self.model,
                    self.layers,
                    self.forward,
                    (shape[0], sides[0], sides[1]),
                    self.axis,
                    pending,
                    unit_of,
                    IMAGES if times == 1 else 1,
                )
            except ModelError:
                if times == 1:
                    raise
                continue
            for key, span in seen.items():
                found[key] = joined_ends(found.get(key), span)
        return found


def _moved_by_operations(
    bounds: Bounds, wanted: Iterable[str]
) -> dict[str, Ends]:
    """What moves each unit, as far as its operations tell."""
    moved = {key: bounds.by_key[key].moved for key in wanted}
    return {key: span for key, span in moved.items() if span is not None}
