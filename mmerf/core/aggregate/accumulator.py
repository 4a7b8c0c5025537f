"""Mean and standard error of per-image maps: update, merge, compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..grid.coordinates import PixelYX, clipped_pixel, nearest_pixel
from ..statistics import mass_by_square
from .class_shares import ImageShares

Frame = tuple[int, int, int, int]  # rows above the unit's, from it on; columns


@dataclass
class Accumulated:
    """What an accumulator computes.

    Attributes:
        map (np.ndarray): Mean over images, (H, W), float64.
        stderr (np.ndarray): Standard error of the mean, (H, W); NaN for
            fewer than two images.
        coverage (np.ndarray): How many images' frames reach a pixel, (H, W);
            an image with several units counts with the share of its units.
        pixel (tuple[float, float]): The unit's pixel in this map.
    """

    map: np.ndarray
    stderr: np.ndarray
    coverage: np.ndarray
    pixel: PixelYX


@dataclass
class Accumulator:
    """Streaming mean of maps, aligned about the unit's input pixel.

    Maps are added on one canvas so that their units' nearest pixels
    coincide. The canvas grows with the maps. Outside an image's own frame,
    and outside the window that was measured, its map counts as zero, so that
    no mass is lost or made up.

    Attributes:
        count (int): Images in the mean.
        zero_score_images (int): Of those, images whose score was zero (at
            every unit, if several are scored).
        zero_score_units (int): Maps whose score was zero.
        units (int): Maps in the mean: images, or units of images.
        absent (int): Images that had nothing to score.
        excluded (list[str]): Names of images, or units of images, left out
            for a map or score that was not finite.
        sizes (dict): How many images had a size (H, W), by size.
        profiles (list[np.ndarray]): For each image, its cumulative mass by
            square about the unit's nearest pixel.
        class_shares (list[ImageShares]): For each image, how its map is
            shared out over classes, if that is measured.
    """

    count: int = 0
    zero_score_images: int = 0
    zero_score_units: int = 0
    units: int = 0
    absent: int = 0
    excluded: list[str] = field(default_factory=list)
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    class_shares: list[ImageShares] = field(default_factory=list)
    _mean: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _squares: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _anchor: tuple[int, int] = (0, 0)
    _fraction: tuple[float, float] = (0.0, 0.0)
    _frames: dict[Frame, float] = field(default_factory=dict)

    def update(
        self,
        map_hw: np.ndarray,
        pixel: PixelYX,
        score: float,
        name: str,
        corner: tuple[int, int] = (0, 0),
        size: tuple[int, int] | None = None,
    ) -> None:
        """Add one image.

        Args:
            map_hw (np.ndarray): Its map, shape (H, W), or the window outside
                of which the map is zero, shape (h, w).
            pixel (tuple[float, float]): Its unit's input pixel (y, x).
            score (float): Its score; a zero score is counted.
            name (str): Name of the image in ``excluded``, where its map or
                score is not finite.
            corner (tuple[int, int]): The window's first row and column.
            size (tuple[int, int], optional): (H, W) of the image; None where
                the map covers all of it.
        """
        if not (np.isfinite(map_hw).all() and math.isfinite(score)):
            self.excluded.append(name)
            return
        height, width = size or (map_hw.shape[0], map_hw.shape[1])
        near = nearest_pixel(pixel)
        inside = clipped_pixel(near, (height, width))
        frame = (near[0], height - near[0], near[1], width - near[1])
        single = Accumulator(
            count=1,
            zero_score_images=int(score == 0),
            zero_score_units=int(score == 0),
            units=1,
            sizes={(height, width): 1},
            profiles=[mass_by_square(map_hw, _relative_to(inside, corner))],
            _mean=map_hw.astype(np.float64),
            _squares=np.zeros(map_hw.shape),
            _anchor=_relative_to(near, corner),
            _fraction=(pixel[0] - near[0], pixel[1] - near[1]),
            _frames={frame: 1},
        )
        self.merge(single)

    def add_image(self, units: Accumulator, size: tuple[int, int]) -> None:
        """Add one image: the mean over the maps of its units.

        Units of one image are no independent samples: standard errors and
        counts are over images.

        Args:
            units (Accumulator): The image's maps, one or several.
            size (tuple[int, int]): Its (H, W).
        """
        if units.count < 2:
            self.merge(units)
            return
        top, below, left, right = units._extent()
        inside = clipped_pixel((top, left), (top + below, left + right))
        inside = (
            inside[0] - top + units._anchor[0],
            inside[1] - left + units._anchor[1],
        )
        single = Accumulator(
            count=1,
            zero_score_images=int(units.zero_score_units == units.units),
            zero_score_units=units.zero_score_units,
            units=units.units,
            excluded=units.excluded,
            sizes={size: 1},
            profiles=[mass_by_square(units._mean, inside)],
            _mean=units._mean,
            _squares=np.zeros(units._mean.shape),
            _anchor=units._anchor,
            _fraction=units._fraction,
            _frames={f: n / units.count for f, n in units._frames.items()},
        )
        self.merge(single)

    def merge(self, other: Accumulator) -> None:
        """Add all that another accumulator holds.

        Source: Chan, Golub, LeVeque 1979, the pairwise update of mean and
        summed squared deviation.
        """
        if other.count and not self.count:
            self._mean = other._mean.copy()
            self._squares = (
                other._squares.copy()
                if other.count > 1
                else np.zeros(other._squares.shape)  # no memory until written
            )
            self._anchor = other._anchor
        elif other.count:
            mean, squares = self._onto_common_canvas(other)
            total = self.count + other.count
            delta = mean - self._mean
            self._mean += delta * (other.count / total)
            delta *= delta
            delta *= self.count * other.count / total
            self._squares += squares
            self._squares += delta
        self.add_counts(other)

    def add_counts(self, other: Accumulator) -> None:
        """Add all that another accumulator holds, except its maps."""
        self.excluded += other.excluded
        self.profiles += other.profiles
        self.class_shares += other.class_shares
        self.absent += other.absent
        self.count += other.count
        if self.count:
            weight = other.count / self.count
            self._fraction = (
                self._fraction[0] * (1 - weight) + other._fraction[0] * weight,
                self._fraction[1] * (1 - weight) + other._fraction[1] * weight,
            )
        self.zero_score_images += other.zero_score_images
        self.zero_score_units += other.zero_score_units
        self.units += other.units
        for size, number in other.sizes.items():
            self.sizes[size] = self.sizes.get(size, 0) + number
        for frame, part in other._frames.items():
            self._frames[frame] = self._frames.get(frame, 0) + part

    def _onto_common_canvas(self, other: Accumulator) -> list[np.ndarray]:
        """Grow this canvas to hold both; return the other's arrays on it."""
        before, after = (
            [max(pair) for pair in zip(mine, theirs, strict=True)]
            for mine, theirs in zip(self.reach(), other.reach(), strict=True)
        )
        self._mean, self._squares = self.padded_to(before, after)
        self._anchor = (before[0], before[1])
        return other.padded_to(before, after)

    def reach(self) -> tuple[list[int], list[int]]:
        """Rows and columns of the canvas before the anchor, and from it on."""
        shape = self._mean.shape
        return list(self._anchor), [shape[i] - self._anchor[i] for i in (0, 1)]

    def padded_to(
        self, before: Sequence[int], after: Sequence[int]
    ) -> list[np.ndarray]:
        """Mean and squares, zero-padded to a canvas of a larger reach."""
        mine = self.reach()
        pads = [
            (before[i] - mine[0][i], after[i] - mine[1][i]) for i in (0, 1)
        ]
        arrays = [self._mean, self._squares]
        if any(side for pad in pads for side in pad):
            arrays = [np.pad(array, pads) for array in arrays]
        return arrays

    def _extent(self) -> Frame:
        """The smallest frame that holds every image's frame."""
        frames = list(self._frames)
        top, below, left, right = (max(f[i] for f in frames) for i in range(4))
        return top, below, left, right

    def compute(self) -> Accumulated:
        """Mean map, standard error, coverage and the unit's pixel in them.

        The arrays hold every image's whole frame.
        """
        top, below, left, right = self._extent()
        mean, squares = self.padded_to((top, left), (below, right))
        if self.count > 1:
            stderr = np.sqrt(squares / (self.count - 1) / self.count)
        else:
            stderr = np.broadcast_to(np.nan, mean.shape)
        coverage = np.zeros(mean.shape)
        for frame, number in self._frames.items():
            rows = slice(top - frame[0], top + frame[1])
            coverage[rows, left - frame[2] : left + frame[3]] += number
        pixel = (top + self._fraction[0], left + self._fraction[1])
        return Accumulated(mean.copy(), stderr, coverage, pixel)


def _relative_to(
    pixel: tuple[int, int], corner: tuple[int, int]
) -> tuple[int, int]:
    """A pixel of the image, counted from a window's corner."""
    return pixel[0] - corner[0], pixel[1] - corner[1]
