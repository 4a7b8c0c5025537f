"""NoiseVariance: how much the score varies under noise on a patch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .perturbation import Patch, Perturbation, check_number, check_positive


class NoiseVariance(Perturbation):
    """The score's standard deviation under noise on a patch, over the noise's.

    Forward passes only, for models or layers without gradients. For small
    noise, this value tends to the root of the squared gradient summed over
    the patch and the channels, in score per unit of the network's
    (normalised) input. It is spread evenly over the patch's pixels, so that
    the map's sum over the patch is the value.

    The relative sampling error of a value is sqrt(1 / (2 (draws - 1))).
    An image costs (H / patch_size) (W / patch_size) draws passes.

    Args:
        patch_size (int): Side of a patch, px.
        std (float): Standard deviation of the Gaussian noise, in units of the
            network's input.
        draws (int): Noisy copies per patch, >= 2.
        batch_size (int): Noisy copies in one pass.
        seed (int): Seed of the noise, which does not depend on
            ``batch_size``; the global random state is not touched.
        relu (bool, optional): As for InputGradient.

    Raises:
        ConfigError: If an option is out of its range.
    """

    def __init__(
        self,
        patch_size: int = 16,
        std: float = 0.1,
        draws: int = 32,
        batch_size: int = 32,
        seed: int = 0,
        relu: bool | None = None,
    ) -> None:
        super().__init__(patch_size, patch_size, batch_size, relu)
        self.std = check_positive(std, 'std')
        self.draws = check_number(draws, 'draws', least=2)
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        side = f'{self.patch_size} x {self.patch_size}'
        return (
            f'root of the score variance over {self.draws} draws of Gaussian '
            f'noise of std {self.std:g} on a patch of {side} px, over std, '
            "spread over the patch's pixels"
        )

    def copies(self, image: Tensor, patch: Patch) -> Iterator[Tensor]:
        """``draws`` noisy copies, whose noise is drawn at once."""
        shape = image[(..., *patch)].shape
        noise = torch.randn((self.draws, *shape), generator=self._generator)
        for draw in noise.to(image) * self.std:
            copy = image.clone()
            copy[(..., *patch)] += draw
            yield copy

    def value(self, scores: Tensor, clean: float) -> float:
        """The scores' standard deviation over the noise's."""
        return float((scores - clean).std()) / self.std
