"""Text that fits a given width or box."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matplotlib.backend_bases import RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox, IdentityTransform

from .style import OUTLINE, drawable

LINE_HEIGHT = 1.2 / 72  # inches per point of the font
_PARTS = re.compile(r'[^_,(/.:=]*[_,(/.:=]+|[^_,(/.:=]+')


def wrap_text(
    text: str,
    width: float,
    size: float = 8.5,
    max_lines: int | None = None,
    weight: str = 'normal',
) -> str:
    r"""Break a text into lines that fit a width.

    Lines break between words. A word that is longer than a line breaks after
    one of ``_ , ( / . : =``, or anywhere if it has none of them.

    Args:
        text (str): Words, names or paths; no formula.
        width (float): Inches.
        size (float): Font size, points.
        max_lines (int, optional): Keep this many lines; if some are cut off,
            the last one kept ends with '...'.
        weight (str): ``'normal'`` or ``'bold'``.

    Returns:
        str: The lines, joined by newlines.

    Example:
        >>> wrap_text('backbone.layers.0 of all', 0.7)
        'backbone.\nlayers.0 of\nall'
    """
    lines, line = [], ''
    text = drawable(' '.join(text.split()))
    for word in re.findall(r'\S+ ?', text):
        whole = (
            [word] if fits(word, width, size, weight) else _PARTS.findall(word)
        )
        for part in whole:
            if line and not fits(line + part, width, size, weight):
                lines.append(line.rstrip())
                line = ''
            for letter in part:
                if line and not fits(line + letter, width, size, weight):
                    lines.append(line.rstrip())
                    line = ''
                line += letter
    lines.append(line.rstrip())
    if max_lines is not None and len(lines) > max_lines:
        last = lines[max_lines - 1]
        while last and not fits(last + '...', width, size, weight):
            last = last.rpartition(' ')[0] or last[:-1]
        lines[max_lines - 1 :] = [last + '...']
    return '\n'.join(lines)


def fits(text: str, width: float, size: float, weight: str = 'normal') -> bool:
    """Whether a line of text is at most as wide as a width, inches."""
    drawn, _, _ = text_to_path.get_text_width_height_descent(
        text.rstrip(), FontProperties(size=size, weight=weight), False
    )
    return drawn <= width * 72


def settings_of(name: str, keep_comma: bool = False) -> list[str]:
    """The settings in a name, such as ``'a=1, b=(2,3)'``; else the name.

    Args:
        name (str): Of a run.
        keep_comma (bool): Whether a setting keeps the comma behind it.

    Example:
        >>> settings_of('a=1, b=(2,3)'), settings_of('whole model, twice')
        (['a=1', 'b=(2,3)'], ['whole model, twice'])
    """
    parts = re.split(r'(?<=,) (?=[\w.]+=)', name)
    return parts if keep_comma else [part.rstrip(',') for part in parts]


def changed_settings(names: Sequence[str]) -> dict[str, str]:
    """What of each name differs from the first one, if all hold settings.

    Args:
        names (sequence of str): Such as a sweep's combinations.

    Returns:
        dict[str, str]: By the name, its changed settings; empty where names
        do not hold the same settings.

    Example:
        >>> changed_settings(['a=1, b=2', 'a=1, b=3', 'a=0, b=3'])
        {'a=1, b=3': 'b=3', 'a=0, b=3': 'a=0, b=3'}
        >>> changed_settings(['FCN', 'SegFormer'])
        {}
    """
    first, *others = map(settings_of, names)
    keys = [one.partition('=')[0] for one in first]
    if not all(
        '=' in one and [s.partition('=')[0] for s in settings] == keys
        for one in first
        for settings in others
    ):
        return {}
    return {
        name: ', '.join(s for s in settings if s not in first)
        for name, settings in zip(names[1:], others, strict=True)
    }


class FittingText(Text):
    """White text in the first box that it fits; not drawn if it fits none.

    Args:
        wordings (sequence of (str, float)): Texts to try in this order, each
            with its font size in points.
        places (callable): Returns the boxes to try in this order, in pixels
            of the rendered figure.
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
        """Choose text and box at every draw: the layout may have changed."""
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
