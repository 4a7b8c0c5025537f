"""The measured image, or the mean of several, to be drawn under the maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class MeanImage:
    """Running mean of images of one size, as the pipeline gives them.

    Args:
        bgr (bool): Whether three channels are blue, green, red; else a
            single image is grey as well, since its colours are not known.

    Example:
        >>> mean = MeanImage()
        >>> mean.add([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
        >>> mean.picture((2, 2))
        array([[0.5, 0.5],
               [0.5, 0.5]])
    """

    def __init__(self, bgr: bool = False) -> None:
        self._bgr = bgr
        self._sum: Tensor | None = None
        self._first: Tensor | None = None
        self._count = 0
        self._sizes_differ = False

    def add(self, inputs: Sequence[Tensor]) -> None:
        """Add images (C, H, W)."""
        for image in inputs:
            image = image.to(torch.float64)
            grey = image.mean(dim=0)
            if self._sum is not None and grey.shape != self._sum.shape:
                self._sizes_differ = True
            if not self._sizes_differ:
                self._first = image if self._sum is None else None
                self._sum = grey if self._sum is None else self._sum + grey
                self._count += 1

    def picture(
        self, shape: tuple[int, ...], resized: bool = False
    ) -> np.ndarray | None:
        """A single image in colour, or the mean's brightness.

        Args:
            shape (tuple[int, int]): (H, W) of the map that it lies under.
            resized (bool): Whether the inputs were resized to it; if not, the
                picture is padded below and to the right, as they were.

        Returns:
            np.ndarray, optional: Shape (H, W, 3), RGB, or (H, W); None where
            the images differed in size or are larger than the map.
        """
        if self._sum is None or self._sizes_differ:
            return None
        shown = (self._sum / self._count)[None]
        if self._bgr and self._first is not None and len(self._first) == 3:
            shown = self._first.flip(0)
        if resized:
            shown = functional.interpolate(
                shown[None], shape, mode='bilinear'
            )[0]
        down, across = (n - m for n, m in zip(shape, shown.shape[1:]))  # noqa: B905
        if down < 0 or across < 0:
            return None
        padded = functional.pad(shown, (0, across, 0, down)).numpy()
        return padded[0] if len(padded) == 1 else padded.transpose(1, 2, 0)
