"""The mean of the measured images, to be drawn under their maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class MeanImage:
    """Running mean of images of one size, as the pipeline gives them.

    Example:
        >>> mean = MeanImage()
        >>> mean.add([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
        >>> mean.grey((2, 2))
        array([[0.5, 0.5],
               [0.5, 0.5]])
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._count = 0
        self._sizes_differ = False

    def add(self, inputs: Sequence[Tensor]) -> None:
        """Add images (C, H, W)."""
        for image in inputs:
            grey = image.to(torch.float64).mean(dim=0)
            if self._sum is not None and grey.shape != self._sum.shape:
                self._sizes_differ = True
            if not self._sizes_differ:
                self._sum = grey if self._sum is None else self._sum + grey
                self._count += 1

    def grey(
        self, shape: tuple[int, ...], resized: bool = False
    ) -> np.ndarray | None:
        """The mean's brightness, brought to the size of a map.

        Args:
            shape (tuple[int, int]): (H, W) of the map.
            resized (bool): Whether the inputs were resized to it; if not, the
                mean is padded below and to the right, as they were.

        Returns:
            np.ndarray, optional: Shape (H, W); None where the images
            differed in size or are larger than the map.
        """
        if self._sum is None or self._sizes_differ:
            return None
        mean = (self._sum / self._count)[None, None]
        if resized:
            mean = functional.interpolate(mean, shape, mode='bilinear')
        down, across = (n - m for n, m in zip(shape, mean.shape[2:]))  # noqa: B905
        if down < 0 or across < 0:
            return None
        return functional.pad(mean, (0, across, 0, down))[0, 0].numpy()
