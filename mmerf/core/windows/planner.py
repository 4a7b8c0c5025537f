"""Decides which layers are run in a window, and which window that is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from ..running.layer_scores import LayerScores
from ..targets.base import Target
from .confirm import unconfirmed
from .field_search import FieldSearch
from .outline import OutlinedForward
from .unit_places import UnitPlaces
from .window import UnitPlace, Window, attention_window, common_window

# A backward pass costs so many forward passes; see gradient.sparse_backward.
BACKWARD_COST = {'cpu': 0.1}
# A window is taken below this share of what whole images cost. One that all
# layers share costs more than told: backward passes find fewer zeros there.
WORTH_FOR_SOME, WORTH_FOR_ALL = 0.95, 0.75
Confirmed = tuple[str, tuple[int, int], Window]  # layer key, image size


@dataclass
class WindowPlan:
    """How images of one size are run.

    Attributes:
        window (Window, optional): The part of the image that is run.
        places (dict[str, UnitPlace]): Units of the layers that run in the
            window, by layer key.
        inside (LayerScores, optional): The layers that run in the window.
        whole (LayerScores, optional): The layers that run on the whole image.
        reason (str): Why the search for a window failed; empty if it did not.
    """

    window: Window | None = None
    places: Mapping[str, UnitPlace] = field(default_factory=dict)
    inside: LayerScores | None = None
    whole: LayerScores | None = None
    reason: str = ''

    def layers_and_images(
        self, layers: LayerScores, images: Tensor
    ) -> tuple[LayerScores, Tensor]:
        """Which layers are run, and on what: the window, if it serves all.

        Args:
            layers (LayerScores): All layers.
            images (Tensor): Whole images, shape (N, C, H, W).
        """
        if self.inside is None or self.window is None or self.whole:
            return layers, images
        return self.inside, self.window.crop(images)


class Planner:
    """Plans the passes of a model for images of any size.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
    """

    def __init__(self, model: nn.Module, layers: LayerScores) -> None:
        self.layers = layers
        self.attention = attention_window(model)
        self.reader = UnitPlaces(model, layers, self.attention)
        # Windows that a whole image confirmed, by key and image size.
        self.confirmed: set[Confirmed] = set()
        self.refused: set[str] = set()  # keys that no window serves
        # Rows and columns of fields, as offsets from the unit's pixel.
        self._fields: dict[str, tuple[float, ...]] = {}

    def plan(
        self,
        forward: OutlinedForward,
        image: Tensor,
        margin: float,
        target: Target,
    ) -> WindowPlan:
        """The plan for images of this image's size.

        Args:
            forward (callable): Runs the model on parts of the image.
            image (Tensor): Shape (1, C, H, W), no two places alike.
            margin (float): Added to a field on each side, as a share of its
                side.
            target (Target): One whose ``windowed`` is set.

        Raises:
            ModelError: If the model does not run on a part of the image.
            LayerError: If a layer cannot be read there.
        """
        size = (int(image.shape[2]), int(image.shape[3]))
        if self.reader.sees_all_down(forward, image):
            why = 'the units may depend on nearly every row'
            return WindowPlan(whole=self.layers, reason=why)
        places = self.reader.places(forward, image, target)
        fitting = {
            key: place
            for key, place in places.items()
            if key not in self.refused and place.step != (0, 0)
        }
        if self.layers.noticed.takes_extremes:
            why = 'the model takes a maximum over places'
            return WindowPlan(whole=self.layers, reason=why)
        if decide := self.layers.noticed.values_decide:
            return WindowPlan(whole=self.layers, reason=decide)
        told = self.reader.fields_by_operations(fitting, size)
        known = {key: seen for key, seen in told.items() if seen is not None}
        if told and len(told) == len(fitting) and not known:
            why = 'the units may depend on every pixel'
            return WindowPlan(whole=self.layers, reason=why)
        rest = {key: p for key, p in fitting.items() if key not in told}
        fields = {**known, **self._searched(rest, forward, image)}
        device = image.device.type
        while True:
            chosen = {
                key: replace(fitting[key], field=seen)
                for key, seen in fields.items()
                if key not in self.refused
            }
            plan = self._cheapest_plan(places, chosen, size, margin, device)
            failing = self._failing_layers(plan, forward, image, size, known)
            if not failing:
                return plan
            # Once more, wider: channels dead on the strips may live here.
            wider = self._cheapest_plan(
                places, chosen, size, margin + 1, device
            )
            failing = self._failing_layers(wider, forward, image, size, known)
            if not failing:
                return wider
            self.refused |= failing

    def carry_over(self, layers: LayerScores) -> None:
        """Serve a later measurement of the model: windows are confirmed again.

        Args:
            layers (LayerScores): The same layers, of that measurement.
        """
        layers.noticed = self.layers.noticed
        self.layers = self.reader.layers = layers
        self.confirmed = set()

    @property
    def outputs(self) -> LayerScores | None:
        """The layers with their outputs; None before the first forward."""
        return self.reader.outputs

    @property
    def order(self) -> list[str]:
        """Keys of all layers' outputs, in the order of the layers."""
        outputs = [] if self.outputs is None else self.outputs.layers
        return [layer.key for layer in outputs]

    def _searched(
        self,
        places: Mapping[str, UnitPlace],
        forward: OutlinedForward,
        image: Tensor,
    ) -> dict[str, Window]:
        """Fields by gradients, where the operations do not tell."""
        size = (int(image.shape[2]), int(image.shape[3]))
        fields = self._fields_of_other_sizes(places, size)
        if fields is None:
            assert self.outputs is not None
            search = FieldSearch(self.outputs.only(places), forward, image)
            fields = search.fields(places)
            self._keep_fields(places, fields, size)
        return fields

    def _fields_of_other_sizes(
        self, places: Mapping[str, UnitPlace], size: tuple[int, int]
    ) -> dict[str, Window] | None:
        """Fields found at other image sizes; None if any is missing."""
        if self.attention > 1 or not places.keys() <= self._fields.keys():
            return None
        fields = {}
        for key, place in places.items():
            y, x = place.grid.pixel(place.unit)
            top, bottom, left, right = self._fields[key]
            fields[key] = Window(
                _clipped_span(y + top, y + bottom, size[0]),
                _clipped_span(x + left, x + right, size[1]),
            )
        return fields

    def _keep_fields(
        self,
        places: Mapping[str, UnitPlace],
        fields: Mapping[str, Window],
        size: tuple[int, int],
    ) -> None:
        """Keep fields that no image border has cut, for other image sizes."""
        for key, seen in fields.items():
            (top, bottom), (left, right) = seen.rows, seen.columns
            y, x = places[key].grid.pixel(places[key].unit)
            if min(top, left) > 0 and bottom < size[0] and right < size[1]:
                self._fields[key] = (top - y, bottom - y, left - x, right - x)

    def _cheapest_plan(
        self,
        places: Mapping[str, UnitPlace],
        fitting: Mapping[str, UnitPlace],
        size: tuple[int, int],
        margin: float,
        device: str,
    ) -> WindowPlan:
        """The cheapest split of layers between a window and the image."""
        order = sorted(
            fitting, key=lambda k: fitting[k].window(size, margin).area
        )
        backward = BACKWARD_COST.get(device, 1.0)
        best = WindowPlan(whole=self.layers)
        best_cost = 1 + len(places) * backward
        for count in range(1, len(order) + 1):
            keys = order[:count]
            chosen = {key: fitting[key] for key in keys}
            window = common_window(chosen.values(), size, margin)
            share = window.area / (size[0] * size[1])
            rest = [key for key in places if key not in chosen]
            cost = share * (1 + count * backward)
            cost += (1 + len(rest) * backward) if rest else 0
            worth = WORTH_FOR_SOME if rest else WORTH_FOR_ALL
            if cost < worth * best_cost and share < 1:
                assert self.outputs is not None
                whole = self.outputs.only(rest) if rest else None
                inside = self.outputs.only(keys)
                best = WindowPlan(window, chosen, inside, whole)
                best_cost = cost
        return best

    def _failing_layers(
        self,
        plan: WindowPlan,
        forward: OutlinedForward,
        image: Tensor,
        size: tuple[int, int],
        known: Collection[str],
    ) -> set[str]:
        """Layers for which the whole image does not confirm the window."""
        if plan.window is None:
            return set()
        assert self.outputs is not None
        claims: set[Confirmed] = {
            (key, size, plan.window) for key in plan.places
        } - self.confirmed
        new = {key: plan.places[key] for key, *_ in claims}
        failing: set[str] = set()
        if new:
            layers = self.outputs.only(new)
            told = new.keys() <= set(known)
            failing = unconfirmed(
                layers, forward, image, new, plan.window, told,
                self.reader.on_strips(size),
            )  # fmt: skip
        if not failing:
            self.confirmed |= claims
        return failing


def _clipped_span(low: float, high: float, length: int) -> tuple[int, int]:
    return max(round(low), 0), min(round(high), length)
