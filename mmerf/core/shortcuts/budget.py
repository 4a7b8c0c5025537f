"""What a search for shortcuts may cost: no more than it can save."""

from __future__ import annotations

from torch import Tensor

from ..following.kinds import Noticed
from ..running.memory import free_traceback, is_out_of_memory

SMALL_IMAGE = 128 * 128  # px: up to this area, a search never pays
# Pixels of all images but one from which on a search pays: it costs about a
# pass, and about as many operations whatever the image, while what it saves
# grows with the pixels. So 21 images of 256 x 256, or six of 512 x 512.
ENOUGH = 20 * 256 * 256
# Multiplications of all images but one, for each convolution of a forward,
# from which on a search for windows pays: it looks at every operation, however
# little each does.
ENOUGH_WORK = 1e10
WORK_TO_RECORD = 2e9  # the same, for a pass that is recorded: it looks twice
REPEATS = 6  # passes, from which on it pays to record or to compare one
HUGE_IMAGE = 2048 * 2048  # px: from here on for memory's sake, not for time's


class Budget:
    """Decides whether shortcuts are searched for images of a size.

    It counts pixels and no seconds, so that a run can be repeated. Of the
    first size, all images that are expected count. Of any other, and where
    nobody said how many images come, those that were seen: as many may
    follow. For memory's sake a search is made however few the images, where
    one is huge, or has not fitted as a whole.

    Attributes:
        expected (int, optional): Images of the measurement; None if that is
            not known.
        memory_ran_out (bool): Whether one image alone did not fit.

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
        self.memory_ran_out = False
        self._declined = False  # a search that could have been made
        self._seen: dict[tuple[int, ...], int] = {}

    def count(self, images: Tensor) -> None:
        """Count images (N, ..., C, H, W) that are run."""
        shape = tuple(images.shape[1:])
        self._seen[shape] = self._seen.get(shape, 0) + len(images)

    def search_for_memory(self, error: Exception, images: Tensor) -> bool:
        """Whether a pass that failed starts again, with a search.

        Args:
            error (Exception): Of the pass; freed if memory ran out.
            images (Tensor): Of the pass, shape (N, ..., C, H, W).
        """
        if self.memory_ran_out or not self._declined or len(images) > 1:
            return False
        self.memory_ran_out = is_out_of_memory(error)
        if self.memory_ran_out:
            free_traceback(error)
        return self.memory_ran_out

    def pays(self, images: Tensor, noticed: Noticed | None = None) -> bool:
        """Whether a search for images of this shape can pay.

        Args:
            images (Tensor): Shape (N, ..., C, H, W), counted before.
            noticed (Noticed, optional): Of a forward, perhaps of a crop:
                whether a search for windows pays, which looks at every
                operation; without, any other.
        """
        return (
            is_large(images)
            and self.enough(images)
            and (
                noticed is None
                or self._enough_work(images, noticed, ENOUGH_WORK)
            )
        )

    def _enough_work(
        self, images: Tensor, noticed: Noticed, enough: float
    ) -> bool:
        area = images.shape[-2] * images.shape[-1]
        each = noticed.work / max(noticed.convolutions, 1)
        work = (self._number(images) - 1) * area * each
        return not each or self._for_memory(area) or work >= enough

    def enough(self, images: Tensor) -> bool:
        """Whether images of this shape are many, or huge, however small.

        Else no window is searched, and the first pass at least is run as a
        plain loop runs it.

        Args:
            images (Tensor): Shape (N, ..., C, H, W), counted before.
        """
        area = images.shape[-2] * images.shape[-1]
        if self._for_memory(area):
            return True
        enough = (self._number(images) - 1) * area >= ENOUGH
        self._declined |= not enough and is_large(images)
        return enough

    def repeats(self, images: Tensor) -> bool:
        """Whether passes of this size are many enough to try one otherwise.

        To compare its layout costs about a pass, and saves a part of each that
        follows.

        Args:
            images (Tensor): Shape (N, ..., C, H, W), counted before.
        """
        return self._number(images) >= REPEATS * len(images)

    def records(self, images: Tensor, noticed: Noticed) -> bool:
        """Whether a pass is recorded, so that others are run in part.

        Args:
            images (Tensor): Shape (N, ..., C, H, W), counted before.
            noticed (Noticed): Of an earlier forward.
        """
        worth = self._enough_work(images, noticed, WORK_TO_RECORD)
        on_cpu = images.device.type == 'cpu'  # elsewhere it was not measured
        return on_cpu and worth and self.repeats(images)

    def _for_memory(self, area: int) -> bool:
        return self.memory_ran_out or area >= HUGE_IMAGE

    def _number(self, images: Tensor) -> int:
        """Of the images of this shape, as far as known."""
        shape = tuple(images.shape[1:])
        if self.expected is not None and [shape] == list(self._seen)[:1]:
            return self.expected  # a pass that runs again is counted twice
        return self._seen.get(shape, 0)


def is_large(images: Tensor) -> bool:
    """Whether images are of a form and size for which shortcuts are made."""
    return images.dim() == 4 and images[0, 0].numel() > SMALL_IMAGE
