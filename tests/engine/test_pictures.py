"""Which pictures a measured step gives, and in which order."""

from dataclasses import replace

import numpy as np

from mmerf import ERFResult
from mmerf.engine import pictures as module
from mmerf.engine.pictures import growth_records, pictures_of


def result(layer):
    y, x = np.mgrid[:24, :24]
    bell = np.exp(-((y - 12) ** 2 + (x - 12) ** 2) / 9)
    return ERFResult.from_map(bell, layer=layer)


def results(*layers):
    return {layer: result(layer) for layer in layers}


def names(found, history=(1,), **options):
    pictures = pictures_of(found, 8, 'power', history, **options)
    return [name for name, _ in pictures]


def test_all_layers_come_first_and_growth_last():
    found = results('b', 'a')
    assert names(found) == ['all_layers', 'b', 'a', 'growth']
    assert names(found, history=()) == ['all_layers', 'b', 'a']


def test_no_name_comes_twice():
    assert names(results('a'), number=2) == ['all_layers_2', 'a', 'growth_2']
    assert names(results('growth')) == ['all_layers_', 'growth', 'growth_']
    tested = results('test:a')
    assert names(tested, history=()) == ['test:all_layers', 'test:a']


def test_every_picture_is_drawn_from_its_results(monkeypatch):
    drawn = {}
    for name in ('plot_contact_sheet', 'plot_map', 'plot_growth'):
        real = getattr(module, name)

        def spy(given, *args, name=name, real=real, **options):
            drawn[name] = given
            return real(given, *args, **options)

        monkeypatch.setattr(module, name, spy)
    found = results('a', 'b')
    history = growth_records(found, 0) + growth_records(found, 8)
    for _, draw in pictures_of(found, 8, 'power', history):
        picture = draw()
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert min(picture.shape[:2]) > 100
    assert list(drawn['plot_contact_sheet']) == ['a', 'b']
    assert drawn['plot_map'].layer == 'b'
    assert [(r['step'], r['layer']) for r in drawn['plot_growth']['']] == [
        (0, 'a'), (0, 'b'), (8, 'a'), (8, 'b'),
    ]  # fmt: skip


def test_growth_has_the_statistics_and_no_picture_of_attention():
    found = {**results('a'), 'cam': replace(result('cam'), kind='attention')}
    (record,) = growth_records(found, 3)
    every = found['a'].statistics()
    assert (record['step'], record['layer']) == (3, 'a')
    for family in ('centred_square', 'erf_size'):
        assert record['statistics'][family] == every[family]
