"""What stands in an image where its own content is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..attributions.perturbation import check_positive
from ..errors import ConfigError

Replace = Callable[[Tensor], Tensor]
"""``replace(mask)``: a copy of an image, changed where the mask (H, W) is."""


class Fill:
    """Base class of all fills.

    Attributes:
        definition (str): Description, stored with every result.
        needs_other (bool): Whether another image is needed.
    """

    definition = ''
    needs_other = False

    def replacing(
        self, image: Tensor, other: Tensor | None, rng: np.random.Generator
    ) -> Replace:
        """How parts of an image are replaced.

        Args:
            image (Tensor): Shape (C, H, W).
            other (Tensor, optional): Another image, where one is needed.
            rng (np.random.Generator): Of this image alone.

        Returns:
            callable: ``replace(mask)``; pixels outside the mask (H, W) keep
            their values bit for bit.
        """
        content = self.content(image, other)
        return lambda mask: torch.where(mask.to(image.device), content, image)

    def content(self, image: Tensor, other: Tensor | None) -> Tensor:
        """What replaces an image, of a shape that broadcasts to it."""
        raise NotImplementedError


class MeanFill(Fill):
    """The image's own mean colour."""

    definition = "the image's mean, channel by channel"

    def content(self, image: Tensor, other: Tensor | None) -> Tensor:
        """The mean of each channel, (C, 1, 1)."""
        return image.double().mean(dim=(1, 2), keepdim=True).to(image)


class BlurFill(Fill):
    """The image, blurred by a Gaussian.

    Args:
        sigma (float, optional): Of the Gaussian, px; None for 1/16 of the
            image's longer side.
    """

    def __init__(self, sigma: float | None = None) -> None:
        self.sigma = None if sigma is None else check_positive(sigma, 'sigma')
        width = '1/16 of the longer side' if sigma is None else f'{sigma:g} px'
        self.definition = f'the image blurred by a Gaussian of sigma {width}'

    def content(self, image: Tensor, other: Tensor | None) -> Tensor:
        """The blurred image; beyond the border its edge goes on."""
        sigma = self.sigma or max(image.shape[-2:]) / 16
        reach = max(int(3 * sigma + 0.5), 1)
        steps = torch.arange(-reach, reach + 1).to(image)
        kernel = torch.exp(-(steps**2) / (2 * sigma**2))
        kernel = kernel / kernel.sum()
        planes = image[:, None]  # each channel by itself
        for weights, padding in (
            (kernel.view(1, 1, -1, 1), (0, 0, reach, reach)),
            (kernel.view(1, 1, 1, -1), (reach, reach, 0, 0)),
        ):
            padded = functional.pad(planes, padding, mode='replicate')
            planes = functional.conv2d(padded, weights)
        return planes[:, 0]


class ShuffleFill(Fill):
    """The replaced pixels change places among themselves.

    A pixel moves with all its channels, so that the copy has the image's
    values. One permutation is drawn per image: whatever is replaced, its
    pixels are put into the order that this permutation gives them.
    """

    definition = 'the replaced pixels in a random order'

    def replacing(
        self, image: Tensor, other: Tensor | None, rng: np.random.Generator
    ) -> Replace:
        """How parts of an image are shuffled."""
        height, width = image.shape[-2:]
        keys = torch.from_numpy(rng.permutation(height * width))
        flat = image.flatten(1)

        def replace(mask: Tensor) -> Tensor:
            places = mask.flatten().nonzero()[:, 0]
            taken = places[keys[places].argsort()]
            copy = flat.clone()
            copy[:, places.to(flat.device)] = flat[:, taken.to(flat.device)]
            return copy.view_as(image)

        return replace


class OtherImageFill(Fill):
    """The content of another image at the same place."""

    definition = (
        'the image before it, resized to its size (the second one, for the '
        'first)'
    )
    needs_other = True

    def content(self, image: Tensor, other: Tensor | None) -> Tensor:
        """The other image."""
        assert other is not None
        if other.shape == image.shape:
            return other.to(image)
        size = [int(image.shape[-2]), int(image.shape[-1])]
        resized = functional.interpolate(other[None], size, mode='bilinear')
        return resized[0].to(image)


FILLS: dict[str, type[Fill]] = {
    'mean': MeanFill,
    'blur': BlurFill,
    'shuffle': ShuffleFill,
    'other-image': OtherImageFill,
}


def build_fill(spec: Any) -> Fill:
    """A fill from its name, or a fill itself.

    Raises:
        ConfigError: If there is none of that name.

    Example:
        >>> build_fill('mean').definition
        "the image's mean, channel by channel"
    """
    if isinstance(spec, Fill):
        return spec
    if not isinstance(spec, str) or spec not in FILLS:
        raise ConfigError(
            f'unknown fill {spec!r:.80}; the known ones are {", ".join(FILLS)}'
        )
    return FILLS[spec]()
