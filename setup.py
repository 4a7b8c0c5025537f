"""Build mmerf; configs and tools travel in the wheel, but for tools/dev."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Lines of a requirements file without comments."""
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    stripped = (line.split('#')[0].strip() for line in lines)
    return [line for line in stripped if line]


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


version = re.search(
    r"__version__ = '(.+)'", (ROOT / 'mmerf' / 'version.py').read_text()
)
setup(
    name='mmerf',
    version=version[1],
    description='See and measure effective receptive fields in MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmerf', 'mmerf.*']),
    package_data={'mmerf': ['py.typed']},
    python_requires='>=3.10,<3.13',
    install_requires=requirements('runtime.txt'),
    extras_require={
        'mmseg': requirements('mminstall.txt'),
        'optional': requirements('optional.txt'),
        'tests': requirements('tests.txt'),
    },
    entry_points={'console_scripts': ['mmerf = mmerf.__main__:main']},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
