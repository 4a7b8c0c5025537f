"""Where everything is on the live figure, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.transforms import Bbox

from ...core.errors import shortened
from ...core.grid.coordinates import PixelYX
from ...core.results.erf_result import ERFResult
from ...core.statistics.centred_square import centred_square
from ..drawing.style import drawable, layer_styles, style
from .figure_state import FigureState
from .layer_panel import LayerPanel
from .photograph_panel import PhotographPanel

SCREEN_SIZE = (13.0, 7.6)  # inches
MOST_PANELS = 6
_ROWS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2}  # of panels, by their number
_PANELS_FROM = 0.27  # of the height; below are text and controls
_HELP = (
    'click the photograph: units there; a map: picks its layer; arrows: next '
    'unit; [ ]: class; z: zoom; s: save'
)


class Screen:
    """The photograph, a panel per layer, two lines of text.

    Args:
        figure: A matplotlib figure with nothing in it.
        picture (np.ndarray): The photograph, (H, W, 3) or (H, W), 0 to 1.
        told_at (callable): ``told_at(pixel)`` says what is told of a pixel of
            the photograph.
        layers (sequence of str): Keys of all layers that can be shown; their
            order decides on their colours.

    Attributes:
        panels (dict[str, LayerPanel]): By layer key.
    """

    def __init__(
        self,
        figure: Any,
        picture: np.ndarray,
        told_at: Callable[[PixelYX], str],
        layers: Sequence[str],
    ) -> None:
        self.figure = figure
        self._looks = layer_styles(layers)
        self.panels: dict[str, LayerPanel] = {}
        self._half: float | None = None
        with style():
            ax = figure.add_axes((0.01, 0.30, 0.38, 0.665))
            self.photograph = PhotographPanel(ax, picture, told_at)
            self._status = figure.text(0.01, 0.252, '', fontsize=9)
            self._help = figure.text(
                0.01, 0.226, _HELP, fontsize=8, color='0.35'
            )

    def lay_out_panels(self, shown: Sequence[str]) -> None:
        """Give each of some layers an empty panel.

        Args:
            shown (sequence of str): Keys, at most ``MOST_PANELS``.
        """
        for panel in self.panels.values():
            panel.ax.remove()
        rows = _ROWS[len(shown)]
        columns = -(-len(shown) // rows)
        wide, high = 0.60 / columns, (0.98 - _PANELS_FROM) / rows
        self.panels = {}
        for index, key in enumerate(shown):
            row, column = divmod(index, columns)
            ax = self.figure.add_axes((
                0.395 + column * wide, 0.98 - (row + 1) * high + 0.055,
                wide - 0.01, high - 0.09,
            ))  # fmt: skip
            with style():
                self.panels[key] = LayerPanel(ax, key, self._looks[key].color)

    def show(
        self,
        results: Mapping[str, ERFResult],
        failures: Mapping[str, str],
        state: FigureState,
        only: str | None = None,
    ) -> None:
        """Draw what was found into the panels.

        Args:
            results, failures (mapping): By layer key.
            state (FigureState): How.
            only (str, optional): Of this layer alone.
        """
        with style():
            for key, panel in self.panels.items():
                if only not in (None, key):
                    continue
                if key in results:
                    panel.show(results[key], state)
                elif key in failures:
                    panel.fail(failures[key])

    def mark(
        self,
        pixel: PixelYX,
        results: Mapping[str, ERFResult],
        state: FigureState,
        complete: bool,
    ) -> None:
        """Draw what depends on all results: the window, the picked layer.

        Args:
            pixel (tuple[float, float]): That was clicked.
            results (mapping): By layer key.
            state (FigureState): Which layer is picked, and whether to zoom.
            complete (bool): Whether all results are there; until then, panels
                without one stay as they are, and the window as large.
        """
        picked = results.get(state.picked)
        if complete or self._half is None:
            self._half = half_window(results)
        window = None
        if state.zoomed and self._half is not None and picked is not None:
            (y, x), half = picked.center, self._half
            if 2 * half < max(picked.map.shape):  # else the whole image
                window = y - half, y + half, x - half, x + half
        if picked is not None:
            picked = replace(picked, shares=(state.share,))
        with style():
            color = self._looks[state.picked].color
            self.photograph.show(pixel, picked, color)
            for key, panel in self.panels.items():
                panel.set_picked(key == state.picked)
                if key in results:
                    panel.limit(window)

    def tell(self, text: str) -> None:
        """Write a line below the photograph."""
        self._status.set_text(shortened(drawable(text), 150))

    @contextmanager
    def without(self, controls: Sequence[Any]) -> Iterator[Bbox]:
        """Hide text and controls; gives the part (inches) that is left."""
        hidden = [*controls, self._status, self._help]
        for artist in hidden:
            artist.set_visible(False)
        try:
            width, height = self.figure.get_size_inches()
            yield Bbox.from_extents(0, _PANELS_FROM * height, width, height)
        finally:
            for artist in hidden:
                artist.set_visible(True)


def half_window(results: Mapping[str, ERFResult]) -> float | None:
    """Pixels from the unit to the edge of a window that shows all fields.

    Its side is 1.2 times the largest square that holds 99 % of a field.

    Args:
        results (mapping): By layer key.

    Returns:
        float, optional: None where every map is zero everywhere.
    """
    sides = [
        centred_square(result.map, 0.99, result.center)
        for result in results.values()
        if result.map.any()
    ]
    return 0.6 * max(sides) + 1 if sides else None
