"""How figures of maps look: the settings that a caller may choose."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import ConfigError
from .normalization import CMAP, check_normalization

WIDTHS = {'column': 3.4, 'page': 7.0}  # of a paper, inches
STYLES = ('marked', 'paper')
COLORBARS = ('shared', 'each')


@dataclass(frozen=True)
class Look:
    """Settings of a figure of maps.

    Attributes:
        normalization (str): ``'power'``, ``'log10'``, ``'sqrt'`` or
            ``'linear'``.
        cmap (str): Name of a matplotlib colour map; ``'replknet'`` is the
            half of RdYlGn, from yellow to green, of that paper's figures.
        width (str): ``'page'`` or ``'column'`` of a paper.
        style (str): ``'marked'``: unit, squares, theoretical field and sides;
            ``'paper'``: maps, a scale bar and a colour bar alone.
        inset (bool): Whether an inset enlarges squares that are small beside
            the panel.
        contours (bool): Whether the squares of all shares are drawn, one in
            the other, also in the style ``'paper'``; else those of two.
        colorbars (str): ``'shared'``: one for all panels, in parts of each
            map's maximum; ``'each'``: one per panel, up to its map's largest
            contribution.

    Raises:
        ConfigError: If matplotlib has no such colour map, or another setting
            is unknown.
    """

    normalization: str = 'power'
    cmap: str = CMAP
    width: str = 'page'
    style: str = 'marked'
    inset: bool = False
    contours: bool = False
    colorbars: str = 'shared'

    def __post_init__(self) -> None:
        from .style import check_cmap  # imports matplotlib

        check_normalization(self.normalization)
        check_cmap(self.cmap)
        for name, known in (
            ('width', WIDTHS),
            ('style', STYLES),
            ('colorbars', COLORBARS),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f'unknown {name} {getattr(self, name)!r}; the known ones '
                    f'are {", ".join(known)}'
                )

    @property
    def inches(self) -> float:
        """Width of the figure."""
        return WIDTHS[self.width]

    @property
    def marked(self) -> bool:
        """Whether marks and numbers are drawn."""
        return self.style == 'marked'
