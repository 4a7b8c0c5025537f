"""SmoothGrad: the input gradient, averaged over noisy copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..batch import ChannelsOf, Forward
from ..running.layer_scores import LayerScores
from ..targets.base import Part, Target
from .base import LayerMaps
from .input_gradient import InputGradient, input_gradients
from .perturbation import check_number, check_positive


class SmoothGrad(InputGradient):
    """The gradient averaged over noisy copies of each image.

    Args:
        std (float): Standard deviation of the Gaussian noise, in units of
            the network's (normalised) input; 0 gives InputGradient.
        samples (int): Noisy copies per image; each needs one forward.
        seed (int): Seed of the noise; the global random state is not touched.
        part, channels, relu: As for InputGradient.

    Raises:
        ConfigError: If an option is out of its range.

    Source: Smilkov et al. 2017, arXiv:1706.03825.
    """

    windowed = False  # a crop's noise would differ
    one_gradient = False

    def __init__(
        self,
        std: float = 0.1,
        samples: int = 16,
        seed: int = 0,
        part: str = 'positive',
        channels: str = 'sum',
        relu: bool | None = None,
    ) -> None:
        super().__init__(part, channels, relu)
        self.std = check_positive(std, 'std', zero=True)
        self.samples = check_number(samples, 'samples')
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        noise = f'Gaussian noise of std {self.std:g}'
        mean = f'mean over {self.samples} copies with {noise}'
        return super().definition.replace(
            'd score / d input', f'{mean} of d score / d input'
        )

    def _maps(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
        channels: ChannelsOf,
    ) -> Iterator[LayerMaps]:
        sums: dict[str, Tensor] = {}
        means: dict[str, Tensor] = {}
        parts: dict[str, Part] = {}
        for _ in range(self.samples):
            noise = torch.randn(
                inputs.shape, generator=self._generator, dtype=torch.float32
            )
            noisy = inputs + noise.to(inputs) * self.std
            found = input_gradients(
                forward, noisy, target, layers, self.gradients
            )
            for key, part, gradient in found:
                parts[key] = part
                if gradient is not None:
                    sums[key] = sums.get(key, 0) + gradient
                    means[key] = means.get(key, 0) + part.scores
        for key, part in parts.items():
            mean = None
            if key in sums:
                mean = sums[key] / self.samples
                part = replace(part, scores=means[key] / self.samples)
            yield from self.maps_of(part, mean, channels)
