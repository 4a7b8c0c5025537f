"""How one image's contributions are shared out over classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..grid.coordinates import Grid
from ..statistics.effective_area import entropy_area
from ..targets.class_map import at_units
from ..targets.class_region import REGIONS, ClassRegion
from ..targets.classes import resolve_classes
from ..targets.pass_context import BoundTarget
from ..targets.segments import label_components


@dataclass(frozen=True)
class ImageShares:
    """Where the contributions to one class's score lie, in one image.

    Attributes:
        index (int): The class.
        classes (tuple[str, ...]): Names of all classes; without names, their
            indices as text.
        by_class (np.ndarray): Share of each class's pixels, and last of the
            unlabelled ones, (classes + 1,), sum 1; NaN for a map that is
            zero everywhere.
        own_segment (float): Share of the scored segments' pixels.
        size_ratio (float): Root of the map's effective area over the root of
            the scored segments' area.
    """

    index: int
    classes: tuple[str, ...]
    by_class: np.ndarray
    own_segment: float
    size_ratio: float


def shares_by_class(
    map_hw: np.ndarray, classes_hw: np.ndarray, count: int
) -> np.ndarray:
    """Share of a map's sum in every class, and where there is no class.

    Args:
        map_hw (np.ndarray): Raw map, shape (H, W), >= 0.
        classes_hw (np.ndarray): Class indices, (H, W); no class below 0.
        count (int): Number of classes.

    Returns:
        np.ndarray: Shape (count + 1,), unlabelled last; NaN for a map that
        is zero everywhere.

    Example:
        >>> shares_by_class(np.ones((1, 4)), np.array([[0, 0, 1, -1]]), 2)
        array([0.5 , 0.25, 0.25])
    """
    places = np.where(classes_hw < 0, count, classes_hw)
    sums = np.bincount(places.ravel(), map_hw.ravel(), count + 1)
    total = sums.sum()
    return sums / total if total > 0 else np.full(count + 1, np.nan)


class ClassSharing:
    """Shares out the maps of a pass over the classes of its images.

    Args:
        bound (BoundTarget): Of a ClassRegion, with the class of every pixel
            of the pass's images (``bind_target`` with ``at_pixels``).
    """

    def __init__(self, bound: BoundTarget) -> None:
        assert isinstance(bound.target, ClassRegion)
        self.target, known = bound.target, bound.known
        classes = getattr(known, REGIONS[self.target.region])
        count, names = known.num_classes, known.classes
        assert classes is not None and count is not None
        self._classes = classes.cpu()
        self._names = tuple(
            str(name).strip() for name in names or range(count)
        )
        self._index = dict(resolve_classes(self.target.classes, names, count))

    def of(
        self, label: str, position: int, map_hw: np.ndarray, grid: Grid
    ) -> ImageShares:
        """Shares of one class's map on one image.

        Args:
            label (str): Of the class, as its part has it.
            position (int): The image's, in the pass.
            map_hw (np.ndarray): The whole image's map, shape (H, W).
            grid (Grid): Of the layer that was scored.
        """
        index = self._index[label]
        classes = self._classes[position].numpy()
        size = (int(classes.shape[0]), int(classes.shape[1]))
        region = at_units(self._classes[[position]], grid, size) == index
        scored = self.target.scored_units(region)
        numbered = label_components(classes == index)
        at_grid = at_units(torch.from_numpy(numbered)[None], grid, size)
        own = np.isin(numbered, at_grid[scored].unique().numpy())
        shares = shares_by_class(map_hw, classes, len(self._names))
        if np.isnan(shares).any():
            own_share = ratio = math.nan
        else:
            own_share = float(map_hw[own].sum() / map_hw.sum())
            ratio = math.sqrt(entropy_area(map_hw) / own.sum())
        return ImageShares(index, self._names, shares, own_share, ratio)
