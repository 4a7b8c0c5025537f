"""The pages of the documentation, and the blocks of code that they show."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')]
    if '_helps' not in path.parts
)
FENCE = re.compile(r'^```(.*?)\n(.*?)^```', re.S | re.M)


class Block(NamedTuple):
    """One block of code: where it stands, and what it says."""

    page: str
    language: str
    text: str

    @property
    def first_line(self):
        return self.text.strip().splitlines()[0]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def blocks_of(path):
    """Every fenced block of a page; long commands in one line."""
    for language, text in FENCE.findall(path.read_text()):
        if language == 'bash':
            text = re.sub(r' *\\\n *', ' ', text)
        yield Block(name_of(path), language, text)


def all_blocks(language):
    return [
        block
        for path in PAGES
        for block in blocks_of(path)
        if block.language == language
    ]


def commands_of(block):
    """The lines of a bash block, without comments."""
    lines = [re.sub(r'\s+#.*|^#.*', '', x) for x in block.text.splitlines()]
    return [line.strip() for line in lines if line.strip()]
