"""Builds the site: make docs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from mmerf.version import __version__  # noqa: E402

project, author = 'mmerf', 'mmerf contributors'
version = release = __version__
copyright = 'mmerf contributors'

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
]
exclude_patterns = ['_build']
templates_path: list[str] = []
html_theme = 'furo'
html_title = 'mmerf'
html_static_path: list[str] = []
html_theme_options = {'navigation_with_keys': True}

myst_enable_extensions = ['linkify', 'dollarmath']
myst_linkify_fuzzy_links = False
myst_heading_anchors = 4

# Notebooks run as the site is built; an error in one ends the build.
nb_execution_mode = 'force'
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_numpy_docstring = False
copybutton_exclude = '.linenos, .gp'

TOOLS = {
    'erf': 'erf.py',
    'compare': 'compare_erf.py',
    'sweep': 'sweep_erf.py',
    'questions': 'questions.py',
    'context': 'context.py',
    'tiles': 'tiles.py',
}


def write_helps(app) -> None:
    """Each tool's own --help, for the page of the command lines."""
    folder = Path(app.srcdir) / 'reference' / '_helps'
    folder.mkdir(exist_ok=True)
    for name, file in TOOLS.items():
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / file), '--help'],
            capture_output=True,
            text=True,
            check=True,
            env={'COLUMNS': '88', 'PYTHONPATH': str(ROOT), 'PATH': ''},
        )
        (folder / f'{name}.txt').write_text(done.stdout)


# Files beside docs/ that have a page of their own; others are named only.
PAGES = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
}
LINK = re.compile(r'\[([^\]]+)\]\((\.\./[^)\s]*)\)')


def keep_links_inside(app, docname: str, source: list[str]) -> None:
    """Links to files of the checkout, which the site does not have."""
    here = (Path(app.srcdir) / docname).parent

    def replaced(match: re.Match) -> str:
        text, link = match.groups()
        path = (here / link.split('#')[0]).resolve()
        if path.is_relative_to(app.srcdir):
            return match[0]
        page = PAGES.get(str(path.relative_to(ROOT)))
        if page is None:
            return text
        up = '../' * docname.count('/')
        return f'[{text}]({up}{page})'

    source[0] = LINK.sub(replaced, source[0])


def setup(app) -> None:
    """Called by Sphinx."""
    app.connect('builder-inited', write_helps)
    app.connect('source-read', keep_links_inside)
