"""The README's figures are of the code that is here."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location(
    'readme_figures', ROOT / 'tools' / 'dev' / 'readme_figures.py'
)
readme_figures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme_figures)


def test_every_figure_of_maps_in_the_docs_is_checked():
    pages = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')]
    named = {
        (page.parent / link).resolve().relative_to(ROOT / 'docs').as_posix()
        for page in pages
        for link in re.findall(r'\]\(([\w./]+\.(?:png|gif))\)', (
            page.read_text()
        ))
    }  # fmt: skip
    # of a browser, and of frames
    other = {'tensorboard.png', 'explore.png', 'growth.gif'}
    assert set(readme_figures.FIGURES) == named - other


@pytest.mark.parametrize('name', readme_figures.FIGURES)
def test_a_figure_is_drawn_by_the_code_that_is_here(name):
    """If this fails, make the figure anew: ``make figures``, ``gallery``."""
    with Image.open(ROOT / 'docs' / name) as picture:
        text = picture.text.get(readme_figures.KEY)
        width = picture.size[0] / 150
    assert text, f'docs/{name} does not say what drew it; make it anew'
    stored = json.loads(text)
    now = json.loads(json.dumps(readme_figures.description(stored['kind'])))
    assert stored['kind'] == readme_figures.FIGURES[name]
    assert width <= 7.05
    for part, found in now.items():
        same = found == stored[part] or _near(found, stored[part])
        assert same, (
            f'the code that draws docs/{name} has changed ({part}: '
            f'{found} was {stored[part]}); run make figures, or make gallery'
        )


def _near(one, other):
    """Whether numbers differ by rounding only; other systems round too."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, abs=0.01)
    return one == other


def test_the_animation_is_small_and_moves():
    path = ROOT / 'docs' / 'growth.gif'
    assert path.stat().st_size < 1e6
    with Image.open(path) as film:
        assert film.n_frames > 2


def test_a_changed_drawing_is_seen(monkeypatch):
    before = readme_figures.description('layers')
    monkeypatch.setattr('mmerf.plots.drawing.panels.NUMBER_SIZE', 9.0)
    after = readme_figures.description('layers')
    assert not _near(before['words'], after['words'])
