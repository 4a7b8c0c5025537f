"""What max poolings take in a plain forward, of the window where that serves.

A forward of a whole image, up to its last pooling, costs more than the rest of
a pass in a small window. That of the window alone takes the same entries if
no sum depends on where it is computed. An image of one colour tells: all that
a pooling chooses from is equal there, up to rounding, wherever it lies.
"""

from __future__ import annotations

from contextlib import suppress

from torch import Tensor

from ..batch import Forward
from ..windows.planner import WindowPlan
from ..windows.window import Window
from .choices import Choices
from .pooling_entries import same_entries


class PlainChoices:
    """Finds what the poolings of a plain forward take.

    Attributes:
        in_window (bool): Whether the latest was a forward of the window.
    """

    def __init__(self) -> None:
        self.in_window = False
        self._poolings: int | None = None  # of a forward
        self._serves: dict[tuple, bool] = {}  # by size of image, and window

    def of(
        self, forward: Forward, images: Tensor, plan: WindowPlan
    ) -> Choices:
        """The entries that a plain forward of these images takes.

        Args:
            forward (callable): Runs the model in the plain way; it finds the
                same state every time.
            images (Tensor): Whole images.
            plan (WindowPlan): Of the pass that is measured.
        """
        self.in_window = False
        if plan.window is not None:
            if self._poolings is None:
                self._poolings = _poolings_in(forward, images, plan.window)
            if plan.whole is None and self._poolings:
                self.in_window = self._window_serves(
                    forward, images, plan.window, self._poolings
                )
            if self.in_window:
                images = plan.window.crop(images)
        choices = Choices(self._poolings, of_window=self.in_window)
        self._poolings = choices.watch(forward, images)
        return choices

    def _window_serves(
        self, forward: Forward, images: Tensor, window: Window, poolings: int
    ) -> bool:
        """Whether a forward of the window takes what one of the image does."""
        kind = (tuple(images.shape[1:]), window)
        if kind not in self._serves:
            colour = images[:1].mean((2, 3), keepdim=True)
            flat = colour.expand_as(images[:1]).contiguous()
            size = images.shape[-2:]
            whole, crop = (Choices(poolings, keep_inputs=True) for _ in 'ab')
            whole.watch(forward, flat)
            crop.watch(forward, window.crop(flat))
            self._serves[kind] = same_entries(
                whole.poolings, crop.poolings, window.corner, size
            )
        return self._serves[kind]


def _poolings_in(
    forward: Forward, images: Tensor, window: Window
) -> int | None:
    """Poolings of a forward; None where the model does not run on a crop."""
    with suppress(Exception):  # layers that follow need a larger one
        return Choices().watch(forward, window.crop(images[:1]))
    return None
