"""What a search for shortcuts may cost: no more than it can save."""

from __future__ import annotations

from torch import Tensor

SMALL_IMAGE = 128 * 128  # px: up to this area, a search never pays
# Pixels of all images but one from which on a search pays: it costs about a
# pass, and about as many operations whatever the image, while what it saves
# grows with the pixels. So 21 images of 256 x 256, or six of 512 x 512.
ENOUGH = 20 * 256 * 256


class Budget:
    """Decides whether shortcuts are searched for images of a size.

    It counts pixels and no seconds, so that a run can be repeated. Of the
    first size, all images that are expected count. Of any other, and where
    nobody said how many images come, those that were seen: as many may
    follow.

    Attributes:
        expected (int, optional): Images of the measurement; None if that is
            not known.

    Example:
        >>> import torch
        >>> image, budget = torch.zeros(1, 3, 512, 512), Budget()
        >>> budget.expected = 1
        >>> budget.count(image)
        >>> budget.pays(image)
        False
        >>> budget.expected = 50
        >>> budget.pays(image)
        True
    """

    def __init__(self) -> None:
        self.expected: int | None = None
        self._seen: dict[tuple[int, ...], int] = {}

    def count(self, images: Tensor) -> None:
        """Count images (N, ..., C, H, W) that are run."""
        shape = tuple(images.shape[1:])
        self._seen[shape] = self._seen.get(shape, 0) + len(images)

    def pays(self, images: Tensor) -> bool:
        """Whether a search for images of this shape can pay.

        Args:
            images (Tensor): Shape (N, ..., C, H, W), counted before.
        """
        if not is_large(images):
            return False
        shape = tuple(images.shape[1:])
        number = self._seen.get(shape, 0)
        if self.expected is not None and [shape] == list(self._seen)[:1]:
            number = max(number, self.expected)
        return (number - 1) * images[0, 0].numel() >= ENOUGH


def is_large(images: Tensor) -> bool:
    """Whether images are of a form and size for which shortcuts are made."""
    return images.dim() == 4 and images[0, 0].numel() > SMALL_IMAGE
