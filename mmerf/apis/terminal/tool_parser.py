"""A command line whose help has groups, one sentence per option, examples."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

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
