"""Maps of one pass, before they join the mean over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..attributions.base import LayerMaps
from ..errors import MeasurementError
from ..grid.coordinates import Grid
from ..targets.base import Part
from .accumulator import Accumulator
from .class_shares import ClassSharing


@dataclass
class ImageMaps:
    """What was measured on one image, as a mean over one.

    Attributes:
        name (str): The image's.
        accumulators (dict): By result.
        grids (dict): By result, the grid of its layer.
    """

    name: str
    accumulators: dict[str, Accumulator] = field(default_factory=dict)
    grids: dict[str, set[Grid]] = field(default_factory=dict)


class Gathering:
    """Collects a pass's maps, to join the means once all are there.

    Args:
        names (sequence of str): Names of the images, for ``excluded``.
        size (tuple[int, int]): (H, W) of the images.
        in_place (bool): Align maps at the images' middle instead of at
            their units.

    Attributes:
        sharing (ClassSharing, optional): Shares each map out over classes.
    """

    sharing: ClassSharing | None = None

    def __init__(
        self,
        names: Sequence[str],
        size: tuple[int, int],
        in_place: bool = False,
    ) -> None:
        self.names, self.size, self.in_place = names, size, in_place
        self._images: dict[str, dict[int, Accumulator]] = {}
        self._parts: list[Part] = []

    def add(self, found: LayerMaps, corner: tuple[int, int] = (0, 0)) -> None:
        """Collect the maps of one score.

        Args:
            found (LayerMaps): Maps of the images, or of a window of them; the
                part's pixels are those of the whole image.
            corner (tuple[int, int]): The window's first row and column.
        """
        part = found.part
        self._parts.append(part)
        if found.maps is None:
            return
        if found.maps.dim() != 3 or len(found.maps) != len(self.names):
            raise MeasurementError(
                f'{part.layer}: the attribution gave maps of shape '
                f'{tuple(found.maps.shape)} for {len(self.names)} image(s); '
                'it has to give one (H, W) map per image, shape (N, H, W)'
            )
        images = self._images.setdefault(part.result, {})
        maps_nhw = found.maps.detach().cpu().double().numpy()
        height, width = self.size
        scores = part.scores.tolist()
        for position, pixel in part.pixels.items():
            if self.in_place:
                pixel = (float(height // 2), float(width // 2))
            units = images.setdefault(position, Accumulator())
            name = self.names[position]
            if units.count or units.excluded:
                name += f', unit at ({pixel[0]:g}, {pixel[1]:g})'
            units.update(
                maps_nhw[position],
                pixel,
                scores[position],
                name,
                corner,
                self.size,
            )

    def join(
        self,
        order: Sequence[str],
        grids: Mapping[str, Grid],
        accumulators: dict[str, Accumulator],
        grids_of_results: dict[str, set[Grid]],
    ) -> None:
        """Add every image to the mean of each result.

        Args:
            order (sequence of str): Keys of the layers, in the order that
                results shall have.
            grids (mapping): Each layer's grid, by key.
            accumulators (dict): By result; missing ones are added.
            grids_of_results (dict): All grids that a result was measured on,
                by result; missing ones are added.
        """
        absent: dict[str, frozenset[int]] = {}
        if self.sharing is not None:
            self._share_out(self.sharing, grids)
        index = {key: i for i, key in enumerate(order)}
        for part in sorted(self._parts, key=lambda p: index[p.layer]):
            result = part.result
            grids_of_results.setdefault(result, set()).add(grids[part.layer])
            accumulators.setdefault(result, Accumulator())
            absent[result] = absent.get(result, part.absent) & part.absent
        for result, positions in absent.items():
            accumulators[result].absent += len(positions)
        for result, images in self._images.items():
            for _, units in sorted(images.items()):
                accumulators[result].add_image(units, self.size)

    def _share_out(
        self, sharing: ClassSharing, grids: Mapping[str, Grid]
    ) -> None:
        """Share each image's map out over classes."""
        for part in self._parts:
            for position, units in self._images.get(part.result, {}).items():
                if units.count:
                    whole = units.compute().map
                    grid = grids[part.layer]
                    units.class_shares = [
                        sharing.of(part.label, position, whole, grid)
                    ]

    def image_maps(
        self, order: Sequence[str], grids: Mapping[str, Grid]
    ) -> list[ImageMaps]:
        """Each image's own maps, in the order of the pass; see ``join``."""
        return [
            self._of_image(position)._joined(order, grids)
            for position in range(len(self.names))
        ]

    def _of_image(self, position: int) -> Gathering:
        single = Gathering([self.names[position]], self.size, self.in_place)
        single._parts = [
            replace(
                part,
                pixels={p: x for p, x in part.pixels.items() if p == position},
                absent=part.absent & {position},
            )
            for part in self._parts
        ]
        single._images = {
            result: {position: images[position]}
            for result, images in self._images.items()
            if position in images
        }
        return single

    def _joined(
        self, order: Sequence[str], grids: Mapping[str, Grid]
    ) -> ImageMaps:
        image = ImageMaps(self.names[0])
        self.join(order, grids, image.accumulators, image.grids)
        return image


def excluded_images(
    accumulators: Mapping[str, Accumulator],
) -> dict[str, list[str]]:
    """Names of the images with non-finite maps or scores, by result."""
    return {k: a.excluded for k, a in accumulators.items() if a.excluded}


def without_finite_map(
    accumulators: Mapping[str, Accumulator],
) -> dict[str, str]:
    """Results without any finite map, each with a line that says so."""
    return {
        key: f'all {len(a.excluded)} map(s) hold non-finite values'
        for key, a in accumulators.items()
        if not a.count and a.excluded
    }


def absent_everywhere(
    accumulators: Mapping[str, Accumulator],
) -> dict[str, str]:
    """Results whose target is in no image, each with a line that says so."""
    return {
        key: f'{key}: in none of the {a.absent} image(s), so there is no map'
        for key, a in accumulators.items()
        if a.absent and not a.count and not a.excluded
    }


def is_uneven(coverage: np.ndarray) -> bool:
    """Whether some pixels are reached by fewer images than others.

    Args:
        coverage (np.ndarray): Shape (H, W).
    """
    return bool((coverage != coverage.flat[0]).any())
