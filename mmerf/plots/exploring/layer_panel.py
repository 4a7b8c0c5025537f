"""One layer's field, drawn anew for every unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from ...core.grid.coordinates import nearest_pixel
from ...core.results.erf_result import ERFResult
from ...core.results.summary import why_zero
from ..drawing.marks import draw_marks, side_texts
from ..drawing.normalization import normalize
from ..drawing.text import FittingText, wrap_text
from .figure_state import FigureState


class LayerPanel:
    """Axes that show one layer's map, its unit and a square.

    Args:
        ax (Axes): Empty axes.
        layer (str): The layer's key.
        color (str): The layer's, of its name, its square and, where it is
            picked, its frame.

    Attributes:
        result (ERFResult, optional): What is shown.
        sentence (str): What is written instead of a map, or over one that is
            zero everywhere; empty where there is a map to see.
    """

    def __init__(self, ax: Axes, layer: str, color: str) -> None:
        self.ax, self.layer, self.color = ax, layer, color
        self.result: ERFResult | None = None
        self.sentence = ''
        self._image: Any = None
        ax.set(xticks=[], yticks=[], facecolor='black')
        ax.format_coord = self.told_at  # type: ignore[method-assign]
        self._text: FittingText | None = None
        self._name = wrap_text(layer, 0.9 * self._inches(), 8, 2)

    def set_picked(self, picked: bool) -> None:
        """Mark the panel as the picked layer's, or not."""
        self.ax.set_title(
            self._name, fontsize=8, parse_math=False, pad=3,
            color=self.color,
            fontweight='bold' if picked else 'normal',
        )  # fmt: skip
        for spine in self.ax.spines.values():
            spine.set(edgecolor=self.color if picked else 'black')
            spine.set_linewidth(2.5 if picked else 0.8)

    def show(self, result: ERFResult, state: FigureState) -> None:
        """Draw a result.

        Args:
            result (ERFResult): The unit's field.
            state (FigureState): Normalisation, colours and the square's share.
        """
        self.result = result
        share = state.share
        normalized = normalize(result.map, state.normalization)
        if self._image is None:
            self._image = self.ax.imshow(
                normalized, vmin=0, vmax=1, cmap=state.cmap, aspect='equal'
            )
            self._image.mouseover = False  # told_at says more
        self._image.set(data=normalized, cmap=state.cmap)
        self._image.set_visible(True)
        self._clear_marks()
        alone = replace(result, shares=(share,))
        draw_marks(self.ax, alone, (share,), self.color)
        self.say(sentence_of(result))
        text = f'{place_of(result)}\n{square_of(result, share)}'
        self.ax.set_xlabel(text, fontsize=7, labelpad=3)

    def fail(self, reason: str) -> None:
        """Show a sentence and no map."""
        self.result = None
        self._clear_marks()
        if self._image is not None:
            self._image.set_visible(False)
        self.ax.set_xlabel('')
        self.say(reason)

    def say(self, sentence: str) -> None:
        """Write a sentence over the panel; an empty one says nothing."""
        if self._text is not None:
            self._text.remove()
            self._text = None
        self.sentence = sentence
        if sentence:
            wordings = [(self._wrapped(size), size) for size in (9, 8, 7, 6)]
            self._text = FittingText(wordings, self._inside)
            self.ax.add_artist(self._text)

    def limit(self, window: tuple[float, float, float, float] | None) -> None:
        """Show a window (top, bottom, left, right), px; None: the image."""
        if self._image is None:
            return
        if window is None:
            height, width = self._image.get_array().shape
            window = (-0.5, height - 0.5, -0.5, width - 0.5)
        top, bottom, left, right = window
        self.ax.set(xlim=(left, right), ylim=(bottom, top))

    def told_at(self, x: float, y: float) -> str:
        """What is told of the pixel under the pointer."""
        if self.result is None:
            return self.layer
        return f'{self.layer}: {contribution_at(self.result, (y, x))}'

    def _wrapped(self, size: float) -> str:
        return wrap_text(self.sentence, 0.85 * self._inches(), size)

    def _inches(self) -> float:
        return max(self.ax.get_window_extent().width / self.ax.figure.dpi, 0.8)

    def _inside(self) -> list[Bbox]:
        return [self.ax.get_window_extent()]

    def _clear_marks(self) -> None:
        for artist in [*self.ax.lines, *self.ax.patches]:
            artist.remove()


def place_of(result: ERFResult) -> str:
    """Which unit a map is of, and where it sits."""
    y, x = result.unit_pixel
    known = '' if result.pixel_known else ' (assumed, not known)'
    assert result.unit is not None
    return f'unit {result.unit} at pixel ({y:g}, {x:g}){known}'


def square_of(result: ERFResult, share: float) -> str:
    """The side of the square that holds a share; empty for a zero map."""
    if not result.map.any():
        return ''
    side = side_texts(result, (share,))[share]
    return f'{share * 100:g} % in {side} px'


def sentence_of(result: ERFResult) -> str:
    """Why a map is zero everywhere and what shows more; empty if it is not."""
    why = why_zero(result)
    if result.map.any():
        return ''
    more = {
        'channel': '; "all channels" asks those that are not',
        'upwards': '; the absolute gradient shows those that move it at all',
    }
    found = [text for word, text in more.items() if word in why]
    return f'zero everywhere: {why}{"".join(found)}'


def contribution_at(result: ERFResult, pixel: tuple[float, float]) -> str:
    """What the pixel at a place contributes, and how far it is.

    Args:
        result (ERFResult): With a map (H, W).
        pixel (tuple[float, float]): Row and column, px.

    Example:
        >>> result = ERFResult.from_map(np.eye(5))
        >>> contribution_at(result, (1.2, 0.9))
        'pixel (1, 1): 1, 100 % of the peak, 1.4 px from the unit'
    """
    y, x = nearest_pixel(pixel)
    height, width = result.map.shape
    if not (0 <= y < height and 0 <= x < width):
        return 'outside the image'
    value, peak = float(result.map[y, x]), float(result.map.max())
    share = f', {value / peak * 100:.3g} % of the peak' if peak else ''
    away = np.hypot(y - result.unit_pixel[0], x - result.unit_pixel[1])
    return f'pixel ({y}, {x}): {value:.3g}{share}, {away:.1f} px from the unit'
