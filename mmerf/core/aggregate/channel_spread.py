"""Standard deviation of a layer's channels over units and images."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..errors import MeasurementError


class ChannelSpread:
    """Standard deviation of each channel over all units and images.

    Sums are merged as Chan, Golub, LeVeque 1983 do ('Algorithms for computing
    the sample variance'), so that a large mean costs no digits.

    Example:
        >>> import torch
        >>> spread = ChannelSpread()
        >>> spread.add(torch.tensor([[[1.0, 3.0]]]), 'head')
        >>> spread.add(torch.tensor([[[5.0, 7.0]]]), 'head')
        >>> spread.std() == np.std([1.0, 3.0, 5.0, 7.0])
        array([ True])
    """

    def __init__(self) -> None:
        self._units = 0
        self._mean = self._squares = np.zeros(0)

    @property
    def channels(self) -> int:
        """Of the layer; 0 before the first image."""
        return len(self._mean)

    def add(self, output: Tensor, layer: str) -> None:
        """Add the layer's output on one image, (C, h, w).

        Raises:
            MeasurementError: If images before had other channels.
        """
        values = output.flatten(1).double().numpy()
        units = values.shape[1]
        mean = values.mean(axis=1)
        squares = ((values - mean[:, None]) ** 2).sum(axis=1)
        if not self._units:
            self._units, self._mean, self._squares = units, mean, squares
            return
        if len(mean) != self.channels:
            raise MeasurementError(
                f'{layer} has {len(mean)} channels in one image and '
                f'{self.channels} in another'
            )
        total = self._units + units
        apart = mean - self._mean
        self._mean = self._mean + apart * units / total
        self._squares = (
            self._squares + squares + apart**2 * self._units * units / total
        )
        self._units = total

    def std(self) -> np.ndarray:
        """Of each channel, shape (C,); over all units, not a sample's."""
        return np.sqrt(self._squares / max(self._units, 1))

    def of(self, channels: list[int], layer: str) -> np.ndarray:
        """Of some channels.

        Raises:
            MeasurementError: If one of them is the same everywhere.
        """
        std = self.std()[channels]
        for channel, value in zip(channels, std, strict=True):
            if not value > 0:
                raise MeasurementError(
                    f'{layer}: channel {channel} is the same at all units of '
                    'all images, so that a change of it has no measure; '
                    'choose another layer, or give more images'
                )
        return std
