"""Mean and standard error of per-image maps: update, merge, compute."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .statistics import mass_by_square

Pixel = tuple[float, float]


def nearest_pixel(pixel: Pixel) -> tuple[int, int]:
    """The whole pixel that squares and radii are drawn about.

    Example:
        >>> nearest_pixel((13.5, 7.2))
        (14, 7)
    """
    return math.floor(pixel[0] + 0.5), math.floor(pixel[1] + 0.5)


def clipped(pixel: tuple[int, int], shape: tuple) -> tuple[int, int]:
    """The pixel of a (H, W) map that is nearest a whole pixel."""
    return (
        min(max(pixel[0], 0), shape[0] - 1),
        min(max(pixel[1], 0), shape[1] - 1),
    )


@dataclass
class Accumulated:
    """What an accumulator has gathered.

    Attributes:
        map (np.ndarray): Mean over images, (H, W), float64.
        stderr (np.ndarray): Standard error of the mean, (H, W); NaN for
            fewer than two images.
        coverage (np.ndarray): Images whose frame reaches a pixel, (H, W); of
            an image with several units, the share of its units.
        pixel (tuple[float, float]): The unit's pixel in this map.
    """

    map: np.ndarray
    stderr: np.ndarray
    coverage: np.ndarray
    pixel: Pixel


@dataclass
class Accumulator:
    """Streaming mean of maps, aligned about the unit's input pixel.

    Maps are placed on one canvas so that their units' nearest pixels
    coincide. The canvas grows with the images; outside an image's own frame
    its map counts as zero, so that the mean stays true to mass.

    Attributes:
        count (int): Images in the mean.
        zero_score_images (int): Of those, images whose score was zero, at
            every unit where there are several.
        zero_score_units (int): Maps whose score was zero.
        units (int): Maps in the mean: images, or units of images.
        absent (int): Images that had nothing to score.
        excluded (list[str]): Names of images, or units of images, left out
            for a map or score that was not finite.
        sizes (dict): (H, W) of the images to how many had it.
        profiles (list[np.ndarray]): For each image, its cumulative mass by
            square about the unit's nearest pixel.
    """

    count: int = 0
    zero_score_images: int = 0
    zero_score_units: int = 0
    units: int = 0
    absent: int = 0
    excluded: list[str] = field(default_factory=list)
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    _mean: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _squares: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _covered: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _anchor: tuple[int, int] = (0, 0)
    _fraction: tuple[float, float] = (0.0, 0.0)

    def update(
        self, map_hw: np.ndarray, pixel: Pixel, score: float, name: str
    ) -> None:
        """Add one image.

        Args:
            map_hw (np.ndarray): Its map, shape (H, W).
            pixel (tuple[float, float]): Its unit's input pixel (y, x).
            score (float): Its score; zero makes it a counted zero map.
            name (str): What to call the image if it has to be left out.
        """
        if not (np.isfinite(map_hw).all() and math.isfinite(score)):
            self.excluded.append(name)
            return
        near = nearest_pixel(pixel)
        inside = clipped(near, map_hw.shape)
        single = Accumulator(
            count=1,
            zero_score_images=int(score == 0),
            zero_score_units=int(score == 0),
            units=1,
            sizes={(map_hw.shape[0], map_hw.shape[1]): 1},
            profiles=[mass_by_square(map_hw, inside)],
            _mean=map_hw.astype(np.float64),
            _squares=np.zeros(map_hw.shape),
            _covered=np.ones(map_hw.shape),
            _anchor=near,
            _fraction=(pixel[0] - near[0], pixel[1] - near[1]),
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
        mean = units.compute()
        inside = clipped(units._anchor, mean.map.shape)
        single = Accumulator(
            count=1,
            zero_score_images=int(units.zero_score_units == units.units),
            zero_score_units=units.zero_score_units,
            units=units.units,
            excluded=units.excluded,
            sizes={size: 1},
            profiles=[mass_by_square(mean.map, inside)],
            _mean=mean.map,
            _squares=np.zeros(mean.map.shape),
            _covered=mean.coverage / units.count,
            _anchor=units._anchor,
            _fraction=units._fraction,
        )
        self.merge(single)

    def merge(self, other: Accumulator) -> None:
        """Add what another accumulator has gathered.

        Source: Chan, Golub, LeVeque 1979, the pairwise update of mean and
        summed squared deviation.
        """
        self.excluded += other.excluded
        self.profiles += other.profiles
        self.absent += other.absent
        if other.count == 0:
            return
        if self.count == 0:
            self._mean = other._mean.copy()
            self._squares = other._squares.copy()
            self._covered = other._covered.astype(np.float64)
            self._anchor, self._fraction = other._anchor, other._fraction
        else:
            theirs = self._onto_common_canvas(other)
            total = self.count + other.count
            delta = theirs[0] - self._mean
            self._mean += delta * (other.count / total)
            delta *= delta
            delta *= self.count * other.count / total
            self._squares += theirs[1]
            self._squares += delta
            self._covered += theirs[2]
            weight = other.count / total
            self._fraction = (
                self._fraction[0] * (1 - weight) + other._fraction[0] * weight,
                self._fraction[1] * (1 - weight) + other._fraction[1] * weight,
            )
        self.count += other.count
        self.zero_score_images += other.zero_score_images
        self.zero_score_units += other.zero_score_units
        self.units += other.units
        for size, number in other.sizes.items():
            self.sizes[size] = self.sizes.get(size, 0) + number

    def _onto_common_canvas(self, other: Accumulator) -> list[np.ndarray]:
        """Grow the own canvas; return the other's arrays laid on it."""
        ours: list[tuple[int, int]] = []
        theirs: list[tuple[int, int]] = []
        for axis in (0, 1):
            before = max(self._anchor[axis], other._anchor[axis])
            after = max(
                self._mean.shape[axis] - self._anchor[axis],
                other._mean.shape[axis] - other._anchor[axis],
            )
            for pads, part in ((ours, self), (theirs, other)):
                left = before - part._anchor[axis]
                pads.append(
                    (left, before + after - left - part._mean.shape[axis])
                )
        if any(side for pad in ours for side in pad):
            self._mean = np.pad(self._mean, ours)
            self._squares = np.pad(self._squares, ours)
            self._covered = np.pad(self._covered, ours)
            self._anchor = (
                self._anchor[0] + ours[0][0],
                self._anchor[1] + ours[1][0],
            )
        arrays = [other._mean, other._squares, other._covered]
        if any(side for pad in theirs for side in pad):
            arrays = [np.pad(array, theirs) for array in arrays]
        return arrays

    def compute(self) -> Accumulated:
        """Mean map, standard error, coverage and the unit's pixel in them."""
        if self.count > 1:
            variance = self._squares / (self.count - 1)
            stderr = np.sqrt(variance / self.count)
        else:
            stderr = np.full(self._mean.shape, np.nan)
        return Accumulated(
            self._mean.copy(),
            stderr,
            self._covered.copy(),
            (
                self._anchor[0] + self._fraction[0],
                self._anchor[1] + self._fraction[1],
            ),
        )
