"""Build mmerf; configs and tools travel in the wheel, but for tools/dev.

What the package is, is said in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


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


setup(cmdclass={'build_py': BuildWithMim})
