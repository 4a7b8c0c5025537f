"""Words that fit the room they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matplotlib.backend_bases import RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox, IdentityTransform

from .style import OUTLINE

LINE = 1.2 / 72  # inches from line to line, for each point of the font
_PARTS = re.compile(r'[^_,(/.:=]*[_,(/.:=]+|[^_,(/.:=]+')


def wrapped(
    text: str, room: float, size: float = 8.5, most: int | None = None
) -> str:
    r"""A text in lines that fit a room.

    Lines end between words; a word that is longer than a line, after
    ``_ , ( / . : =`` or, where it has none, anywhere.

    Args:
        text (str): Words, names or paths; no formula.
        room (float): Inches.
        size (float): Of the font, points.
        most (int, optional): Lines to keep; the last then ends with '...'.

    Example:
        >>> wrapped('backbone.layers.0 of all', 0.7)
        'backbone.\nlayers.0 of\nall'
    """
    lines, line = [], ''
    for word in re.findall(r'\S+ ?', ' '.join(text.split())):
        whole = [word] if _fits(word, room, size) else _PARTS.findall(word)
        for part in whole:
            if line and not _fits(line + part, room, size):
                lines.append(line.rstrip())
                line = ''
            for letter in part:
                if line and not _fits(line + letter, room, size):
                    lines.append(line.rstrip())
                    line = ''
                line += letter
    lines.append(line.rstrip())
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and not _fits(last + '...', room, size):
            last = last.rpartition(' ')[0] or last[:-1]
        lines[most - 1 :] = [last + '...']
    return '\n'.join(lines)


def _fits(text: str, room: float, size: float) -> bool:
    width, _, _ = text_to_path.get_text_width_height_descent(
        text.rstrip(), FontProperties(size=size), False
    )
    return width <= room * 72


class FittingText(Text):
    """White words in the first place that holds them, or nowhere.

    Args:
        wordings (sequence): Texts and their sizes in points, the best first.
        places (callable): Boxes in pixels of the screen, the best first.
    """

    def __init__(
        self,
        wordings: Sequence[tuple[str, float]],
        places: Callable[[], Sequence[Bbox]],
    ) -> None:
        super().__init__(
            0, 0, wordings[0][0], ha='center', va='center', color='white',
            zorder=6, transform=IdentityTransform(), path_effects=[OUTLINE],
        )  # fmt: skip
        self._wordings, self._places = wordings, places
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        """Choose wording and place, for axes may have been laid out anew."""
        self.set_text('')
        for text, size in self._wordings:
            drawn = Text(text=text, size=size, figure=self.get_figure())
            own = drawn.get_window_extent(renderer)
            for place in self._places():
                if own.width < place.width and own.height < place.height:
                    self.set(
                        text=text, size=size, x=(place.x0 + place.x1) / 2,
                        y=(place.y0 + place.y1) / 2,
                    )  # fmt: skip
                    super().draw(renderer)
                    return
