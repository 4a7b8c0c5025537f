"""The gallery's page: its numbers are the results', its pictures are small."""

import re
from pathlib import Path

import gallery
import numpy as np
import pytest
from gallery_texts import FAMILIES, TRAINED, Family, Trained

from mmerf import ERFResult
from mmerf.core.results.theoretical_field import Extent, Support

DOCS = Path(__file__).parents[3] / 'docs'


def uniform_square(side):
    """A map whose mass lies evenly in a square, 4 px above the unit."""
    map_hw = np.zeros((101, 101))
    reach = side // 2
    map_hw[46 - reach : 47 + reach, 50 - reach : 51 + reach] = 1
    return ERFResult.from_map(map_hw, (50, 50))


def test_numbers_are_those_of_the_results():
    small, large = uniform_square(9), uniform_square(41)
    box = Support(Extent('box', -5, 5), Extent('box', -9, 9), (4.0, 4.0))
    object.__setattr__(small, 'theory', box)
    family = Family(
        'Title', 'a/b.py', '{half[0]} {most[1]} {half_head}, {up} up\n {left}'
    )
    section = gallery.family_section('a', family, {'x': small, 'y': large})
    squares = [one.statistics()['centred_square'] for one in (small, large)]
    half, most = (
        [square[share]['side'] for square in squares]
        for share in ('0.5', '0.99')
    )
    assert f'\n{half[0]} {most[1]} {half[1]}, 4 up 0\n' in section
    assert (
        f'`x` {half[0]} / {most[0]} (11 x 19), `y` {half[1]} / {most[1]} px'
    ) in section
    assert '(gallery/a.png)' in section and '`mmseg::a/b.py`' in section


def test_both_states_of_a_trained_network_are_told_apart():
    text = '{before[most][0]} then {after[most][0]}'
    runs = {
        'random': {'x': uniform_square(9)},
        'trained': {'x': uniform_square(41)},
    }
    section = gallery.trained_section('a', Trained('T', 'c', text), runs)
    before, after = (
        run['x'].statistics()['centred_square']['0.99']['side']
        for run in runs.values()
    )
    assert f'{before} then {after}' in section
    assert section.index('- random: `x`') < section.index('- trained: `x`')


@pytest.mark.parametrize('name', [*FAMILIES, *TRAINED])
def test_the_page_has_the_text_of_every_network(name):
    page = (DOCS / 'gallery.md').read_text()
    (section,) = (s for s in page.split('\n## ') if f'/{name}.png' in s)
    network = FAMILIES.get(name) or TRAINED[name]
    fixed = re.split(r'\{[^}]*\}', ' '.join(network.text.split()))
    told = re.compile(r'\d[\dx ]*'.join(map(re.escape, fixed)))
    assert told.fullmatch(section.split('\n\n')[2]), 'run make gallery'
    assert re.search(r'`\S+` \d+ / \d+', section)


def test_pictures_are_small():
    pictures = list((DOCS / 'gallery').iterdir())
    assert {p.stem for p in pictures} == {*FAMILIES, *TRAINED}
    assert sum(p.stat().st_size for p in pictures) < 1.5e6
