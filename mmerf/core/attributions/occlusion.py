"""Occlusion: how much the score changes where a patch is covered."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..errors import ConfigError
from .perturbation import Patch, Perturbation


class Occlusion(Perturbation):
    """Absolute change of the score where a patch is set to one value.

    Forward passes only. The change is spread evenly over the patch's pixels;
    where patches overlap, a pixel gets the mean of its patches.

    Args:
        patch_size (int): Side of a patch, px.
        stride (int, optional): From one patch to the next, px; None for
            ``patch_size``.
        value (float): Value that covers a patch, in units of the network's
            input; 0 is the mean colour of normalised inputs.
        batch_size (int): Covered copies in one pass.
        relu (bool, optional): As for InputGradient.

    Raises:
        ConfigError: If an option is out of its range.

    Source: Zeiler, Fergus 2014, arXiv:1311.2901, section 4.2.
    """

    def __init__(
        self,
        patch_size: int = 16,
        stride: int | None = None,
        value: float = 0.0,
        batch_size: int = 32,
        relu: bool | None = None,
    ) -> None:
        stride = patch_size if stride is None else stride
        super().__init__(patch_size, stride, batch_size, relu)
        if self.stride > self.patch_size:
            raise ConfigError(
                f'stride is at most patch_size, {patch_size}, not {stride}; '
                'pixels between patches would never be covered'
            )
        self.fill = float(value)

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        side = f'{self.patch_size} x {self.patch_size}'
        return (
            f'|score - score with a patch of {side} px set to {self.fill:g}|'
            f", every {self.stride} px, spread over the patch's pixels"
        )

    def copies(self, image: Tensor, patch: Patch) -> Iterator[Tensor]:
        """The one copy whose patch is covered."""
        copy = image.clone()
        copy[(..., *patch)] = self.fill
        yield copy

    def value(self, scores: Tensor, clean: float) -> float:
        """Absolute difference of the covered copy's score."""
        return abs(float(scores[0]) - clean)
