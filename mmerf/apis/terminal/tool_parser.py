"""A command line whose help has groups, one sentence per option, examples."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from ...plots.drawing.look import COLORBARS, STYLES, WIDTHS, Look
from ...plots.drawing.normalization import CMAP, NORMALIZATIONS

GROUPS = ('what', 'images', 'question', 'speed', 'picture', 'output')
_WIDTH = 79


class ToolParser(argparse.ArgumentParser):
    """A parser with the groups that every tool's options go to.

    Args:
        usage (str): Its arguments, in one line.
        description (str): What the tool does.
        examples (sequence of str): Commands, without the tool's own name.
        more (str): A paragraph of help after the options.
    """

    def __init__(
        self,
        usage: str,
        description: str,
        examples: Sequence[str],
        more: str = '',
    ) -> None:
        super().__init__(
            usage=f'%(prog)s {usage}',
            description=textwrap.fill(description, _WIDTH),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        lines = [f'  {self.prog} {example}' for example in examples]
        paragraphs = [textwrap.fill(more, _WIDTH), ''] if more else []
        self.epilog = '\n'.join([*paragraphs, 'examples:', *lines])
        self._groups = {name: self.add_argument_group(name) for name in GROUPS}

    def adder(self, group: str) -> Callable[..., Any]:
        """The ``add_argument`` of a group, one of ``GROUPS``."""
        return self._groups[group].add_argument

    def add_look_options(self) -> None:
        """Add how figures of maps look; :func:`look_of` reads it."""
        add = self.adder('picture')
        add(
            '--normalization',
            choices=list(NORMALIZATIONS),
            default='power',
            help='how figures scale contributions to [0, 1]; power is '
            '(x / max)^0.2 (default: %(default)s)',
        )
        add(
            '--cmap',
            default=CMAP,
            help='matplotlib colour map of the figures, or replknet, the '
            "half of RdYlGn of that paper's figures (default: %(default)s)",
        )
        add(
            '--width',
            choices=list(WIDTHS),
            default='page',
            help='figures of several panels are as wide as a page (7 in) or a '
            'column (3.4 in) of a paper (default: %(default)s)',
        )
        add(
            '--style',
            choices=STYLES,
            default='marked',
            help='draw unit, squares, theoretical field and sides, or only '
            'what papers print: maps, a scale bar and a colour bar (default: '
            '%(default)s)',
        )
        add(
            '--inset',
            action='store_true',
            help='enlarge small squares in a corner of their panel (default: '
            'do not)',
        )
        add(
            '--contours',
            action='store_true',
            help='draw the squares that hold each of the shares, one in the '
            'other, also with --style paper (default: those of two shares)',
        )
        add(
            '--colorbars',
            choices=COLORBARS,
            default='shared',
            help='one colour bar for all panels, in parts of each maximum, '
            'or one for each, up to its largest contribution (default: '
            '%(default)s)',
        )

    def add_output_options(self, more: str = '') -> None:
        """Add ``--help``, last; and ``--verbose`` where tables have more."""
        add = self.adder('output')
        if more:
            add(
                '--verbose',
                action='store_true',
                help=f'also print {more} (default: one table of five columns)',
            )
        add('-h', '--help', action='help', help='show this help and leave')


def look_of(args: argparse.Namespace) -> dict[str, Any]:
    """Attributes of ``mmerf.plots.drawing.look.Look`` from those options.

    Raises:
        ConfigError: If matplotlib has no such colour map.
    """
    look = {item.name: getattr(args, item.name) for item in fields(Look)}
    Look(**look)  # refuses what is wrong
    return look
