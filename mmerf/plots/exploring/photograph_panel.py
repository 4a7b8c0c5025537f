"""The photograph: what is clicked, and the field of the picked layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from ...core.grid.coordinates import PixelYX
from ...core.results.erf_result import ERFResult
from ..drawing.marks import draw_marks
from ..drawing.style import OUTLINE


class PhotographPanel:
    """Axes that show the photograph, the click, and a unit with its square.

    Args:
        ax (Axes): Empty axes.
        picture (np.ndarray): (H, W, 3) or (H, W), 0 to 1.
        told_at (callable): ``told_at(pixel)`` says what is told of a pixel
            under the pointer.
    """

    def __init__(
        self,
        ax: Axes,
        picture: np.ndarray,
        told_at: Callable[[PixelYX], str],
    ) -> None:
        self.ax, self._size = ax, picture.shape[:2]
        picture = np.round(picture * 255).astype(np.uint8)  # drawn faster
        shown = ax.imshow(picture, cmap='gray', vmin=0, vmax=255)
        shown.mouseover = False
        ax.set(xticks=[], yticks=[])
        ax.format_coord = lambda x, y: told_at((y, x))  # type: ignore

    def show(
        self, pixel: PixelYX, result: ERFResult | None, color: str
    ) -> None:
        """Mark the clicked pixel, and the picked layer's unit and square.

        Args:
            pixel (tuple[float, float]): Row and column, px.
            result (ERFResult, optional): With the one share to draw; None
                draws the click alone.
            color (str): The picked layer's, of its square.
        """
        for artist in [*self.ax.lines, *self.ax.patches]:
            artist.remove()
        if result is not None:
            draw_marks(self.ax, result, result.shares, color)
        self.ax.plot(
            [pixel[1]], [pixel[0]], linestyle='none', marker='x',
            color='white', markersize=6, path_effects=[OUTLINE],
            scalex=False, scaley=False,
        )  # fmt: skip
        height, width = self._size
        self.ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
