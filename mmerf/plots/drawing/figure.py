"""A figure that a notebook shows, with no help of pyplot's."""

from __future__ import annotations

import io

from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from .style import style


class Figure(figure.Figure):
    """A matplotlib figure that is known to no window system and no state.

    As the last line of a notebook's cell it shows itself, also where nobody
    said ``%matplotlib inline``.

    Example:
        >>> Figure(figsize=(2, 1))._repr_png_()[1:4]
        b'PNG'
    """

    def settle(self) -> None:
        """Lay everything out, once: later drawings are all the same.

        The compressed layout starts from the last one, and moves a little
        each time.
        """
        self.draw_without_rendering()
        self.set_layout_engine('none')

    def _repr_png_(self) -> bytes:
        """What IPython's display asks for."""
        file = io.BytesIO()
        with style():
            FigureCanvasAgg(self).print_png(file)
        return file.getvalue()
