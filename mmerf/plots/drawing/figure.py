"""A figure that a notebook shows without pyplot."""

from __future__ import annotations

import io

from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from .style import style


class Figure(figure.Figure):
    """A matplotlib figure that neither pyplot nor a window system holds.

    As the last line of a notebook's cell it is displayed, also without
    ``%matplotlib inline``.

    Example:
        >>> Figure(figsize=(2, 1))._repr_png_()[1:4]
        b'PNG'
    """

    def settle(self) -> None:
        """Lay out once and keep the layout, so that drawings do not differ.

        The compressed layout starts from the previous one, and would move a
        little with every drawing.
        """
        self.draw_without_rendering()
        self.set_layout_engine('none')

    def _repr_png_(self) -> bytes:
        """The figure as a PNG file, for IPython's display."""
        file = io.BytesIO()
        with style():
            FigureCanvasAgg(self).print_png(file)
        return file.getvalue()
