"""Where the units of an image size sit, and what they may depend on.

Both are read on two strips of the image, one as high, one as wide as it.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ..grid.coordinates import Axis, Grid
from ..running.layer_scores import LayerScores
from ..targets.base import Target
from .outline import OutlinedForward
from .reach import Reach, reaches
from .window import UnitPlace, Window

STRIP = 64  # px, the width of the strips
ALL_BUT_FEW = 0.95  # of the rows: a stride may leave out the last ones
# A grid along one axis: where its units sit, how many, a crop's step (px).
_AxisGrid = tuple[Axis, int, int | None]


class UnitPlaces:
    """Reads strips; what an axis of a length has shown is kept.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        attention (int): Units of an attention window; 1 where there is none.

    Attributes:
        outputs (LayerScores, optional): The layers with their outputs; None
            before the first forward.
    """

    def __init__(
        self, model: nn.Module, layers: LayerScores, attention: int
    ) -> None:
        self.model, self.layers = model, layers
        self.attention = attention
        self.outputs: LayerScores | None = None
        self._axis_grids: dict[tuple[int, int], dict[str, _AxisGrid]] = {}
        # What the model did on a strip, by axis and length.
        self._on_strips: dict[tuple[int, int], list[tuple]] = {}
        # What units may reach, by axis and length.
        self._reaches: dict[tuple[int, int], dict[str, Reach]] = {}

    def places(
        self, forward: OutlinedForward, image: Tensor, target: Target
    ) -> dict[str, UnitPlace]:
        """Every layer's grid and unit, read on two strips of the image.

        Args:
            forward (callable): Runs the model on parts of the image.
            image (Tensor): Shape (1, C, H, W).
            target (Target): One whose ``windowed`` is set.
        """
        size = (int(image.shape[2]), int(image.shape[3]))
        down = self._grids_along(forward, image[:, :, :, :STRIP], 0)
        across = self._grids_along(forward, image[:, :, :STRIP], 1)
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
            unit = target.unit(grid)
            assert unit is not None  # a windowed target has one
            places[key] = UnitPlace(grid, unit, step)
        return places

    def sees_all_down(self, forward: OutlinedForward, image: Tensor) -> bool:
        """Whether each unit of every layer may depend on nearly all rows.

        As where the first block attends to everything: a second strip would
        be run for nothing. Not where a unit depends on its own row's number
        alone: columns may be cut then.

        Args:
            forward, image: As for ``places``.
        """
        height = int(image.shape[2])
        self._grids_along(forward, image[:, :, :, :STRIP], 0)
        found = self._reaches[0, height]
        assert self.outputs is not None
        return len(found) == len(self.outputs.layers) and all(
            reach.exact
            and not reach.by_place
            and reach.least > ALL_BUT_FEW * height
            for reach in found.values()
        )

    def _grids_along(
        self, forward: OutlinedForward, strip: Tensor, axis: int
    ) -> dict[str, _AxisGrid]:
        """Every layer's grid along an axis, from a strip as long as it."""
        shape = tuple(strip.shape[1:])
        length = shape[1 + axis]
        if (axis, length) in self._axis_grids:
            return self._axis_grids[axis, length]
        outputs = self.outputs or self.layers
        layers = outputs.again()
        known = [*self.model.parameters(), *self.model.buffers()]
        self._reaches[axis, length] = reaches(
            layers, forward, strip, axis, known
        )
        self._on_strips[axis, length] = forward.steps
        grids, steps = layers.grids(shape), layers.steps(shape)
        self.outputs = self.outputs or layers.only(grids)
        self._axis_grids[axis, length] = {
            key: (
                (grid.y, grid.x)[axis],
                grid.size[axis],
                (steps[key] or (0, 0))[axis] if _croppable(grid) else None,
            )
            for key, grid in grids.items()
        }
        return self._axis_grids[axis, length]

    def on_strips(self, size: tuple[int, int]) -> list[list[tuple]]:
        """What the model did on the strips of an image of a size (H, W)."""
        return [self._on_strips[axis, size[axis]] for axis in (0, 1)]

    def fields_by_operations(
        self, places: Mapping[str, UnitPlace], size: tuple[int, int]
    ) -> dict[str, Window | None]:
        """What each unit may depend on, by the model's operations.

        Args:
            places (mapping): From ``places``.
            size (tuple[int, int]): (H, W) of that image.

        Returns:
            dict: By layer key; None where that is every pixel. Without the
            layers of which the operations do not tell.
        """
        fields: dict[str, Window | None] = {}
        for key, place in places.items():
            spans, exact = [], True
            found = [self._reaches[a, size[a]].get(key) for a in (0, 1)]
            known = [reach for reach in found if reach is not None]
            if len(known) < 2:
                if any(reach.by_place for reach in known):
                    fields[key] = None
                continue
            for axis, reach in enumerate(known):
                unit = place.unit[axis]
                first, last = float(reach.first[unit]), float(reach.last[unit])
                exact &= reach.exact
                if 0 <= first <= last:  # else on nothing that was seen
                    spans.append((int(first), int(last) + 1))
            if len(spans) < 2:
                continue
            window = Window(spans[0], spans[1])
            if window.size != size:
                fields[key] = window
            elif exact:
                fields[key] = None
        return fields


def _croppable(grid: Grid) -> bool:
    """Whether a crop's units can be found again in the whole grid."""
    axes = (grid.y, grid.x)
    straight = all(axis.jump >= 0 and not axis.turn for axis in axes)
    return grid.followed and straight and not grid.swapped
