"""Build mmerf; configs and tools travel in the wheel, but for tools/dev.

What the package is, is said in pyproject.toml.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


FIGURE = re.compile(r'!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n(\*[^*]+\*\n\n)?')
LINK = re.compile(r'\[([^\]]+)\]\((?!https?:)[^)]*\)')


def plain_readme() -> str:
    """README.md without the figures and links that need its folder.

    Lines that are nothing but such links go; elsewhere their text stays.
    """
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    lines = FIGURE.sub('', text).splitlines()
    others = re.compile(r'(\*\*English\*\* \||·|\s)*')
    kept = [
        LINK.sub(r'\1', line)
        for line in lines
        if not (LINK.search(line) and others.fullmatch(LINK.sub('', line)))
    ]
    return '\n'.join(kept) + '\n'


class BuildWithMim(build_py):
    """Copies configs/ and tools/ to ``mmerf/.mim``, where mim looks."""

    def run(self) -> None:
        """Build as usual, then copy; an editable install needs no copy."""
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        for name in ('configs', 'tools'):
            target = Path(self.build_lib) / 'mmerf' / '.mim' / name
            ignored = shutil.ignore_patterns('__pycache__', '*.pyc', 'dev')
            shutil.copytree(
                ROOT / name, target, dirs_exist_ok=True, ignore=ignored
            )


setup(
    long_description=plain_readme(),
    long_description_content_type='text/markdown',
    cmdclass={'build_py': BuildWithMim},
)
