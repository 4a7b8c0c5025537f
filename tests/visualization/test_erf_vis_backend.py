import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.visualization import BaseVisBackend, Visualizer
from mmseg.registry import VISBACKENDS
from PIL import Image

from mmerf import ERFResult
from mmerf.core.errors import ConfigError
from mmerf.engine.pictures import growth_records, pictures_of
from mmerf.visualization import ERFVisBackend


def result(layer='backbone[3]', value=1.0):
    map_hw = np.zeros((40, 60))
    map_hw[10:30, 20:50] = value
    return ERFResult.from_map(map_hw, (20, 30), layer=layer)


def files(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file()
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_is_built_from_a_config_and_is_a_full_backend(tmp_path):
    backend = VISBACKENDS.build(
        dict(type='ERFVisBackend', save_dir=str(tmp_path), cmap='viridis')
    )
    assert isinstance(backend, BaseVisBackend)
    assert backend.experiment is backend
    backend.close()


def test_a_result_keeps_what_a_picture_loses(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    backend.add_erf(result(), step=40)
    assert files(tmp_path) == [
        'erf/40/backbone[3].npz',
        'erf/40/backbone[3].png',
        'erf/erf.jsonl',
    ]
    back = ERFResult.load(tmp_path / 'erf/40/backbone[3].npz')
    np.testing.assert_array_equal(back.map, result().map)
    (line,) = lines(tmp_path / 'erf/erf.jsonl')
    assert line['step'] == 40 and line['layer'] == 'backbone[3]'
    assert line['statistics'] == result().statistics()
    assert Image.open(tmp_path / 'erf/40/backbone[3].png').size[0] > 400


def test_one_line_per_layer_and_step_also_when_repeated(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    for step, layer in [(1, 'a'), (1, 'b'), (2, 'a'), (1, 'a')]:
        backend.add_erf(result(layer), step)
    found = [
        (r['step'], r['layer']) for r in lines(tmp_path / 'erf/erf.jsonl')
    ]
    assert sorted(found) == [(1, 'a'), (1, 'b'), (2, 'a')]


@pytest.mark.parametrize(
    'layer', ['../../x', '/etc/passwd', 'a/b', 'x' * 5000, '..', 'ü"\n\\']
)
def test_no_layer_leaves_the_folder(tmp_path, layer):
    inside = tmp_path / 'vis_data'
    ERFVisBackend(str(inside)).add_erf(result(layer), 0)
    found = files(tmp_path)
    assert len(found) == 3
    assert all(name.startswith('vis_data/erf/') for name in found)
    assert lines(inside / 'erf/erf.jsonl')[0]['layer'] == layer


def test_images_scalars_and_config_like_any_backend(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    visualizer = Visualizer(vis_backends=[backend], save_dir=str(tmp_path))
    image = np.random.default_rng(0).integers(0, 255, (6, 7, 3), np.uint8)
    visualizer.add_image('val/img', image, 3)
    visualizer.add_scalar('loss', torch.tensor(0.5), 1)
    visualizer.add_scalars({'acc': np.float32(0.25), 'n': 3}, 2)
    visualizer.add_config(Config(dict(a=1)))
    (path,) = (tmp_path / 'erf/images').iterdir()
    assert path.name == 'val%2Fimg_3.png'
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    assert lines(tmp_path / 'erf/scalars.json') == [
        {'loss': 0.5, 'step': 1},
        {'acc': 0.25, 'n': 3, 'step': 2},
    ]
    assert Config.fromfile(tmp_path / 'erf/config.py').a == 1


def test_a_torn_scalar_line_spoils_no_other(tmp_path):
    backend = ERFVisBackend(str(tmp_path))
    backend.add_scalar('a', 1, 1)
    path = tmp_path / 'erf/scalars.json'
    path.write_text(path.read_text() + '{"b": 2, "st')
    backend.add_scalar('c', 3, 3)
    good = path.read_text().splitlines()
    assert json.loads(good[0])['a'] == 1 and json.loads(good[2])['c'] == 3


def test_failed_write_leaves_nothing_half(tmp_path, monkeypatch):
    backend = ERFVisBackend(str(tmp_path))

    def full(*args, **kwargs):
        raise OSError('No space left on device')

    monkeypatch.setattr(np, 'savez_compressed', full)
    with pytest.raises(OSError, match='No space'):
        backend.add_erf(result(), 1)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    'change', [dict(save_dir=''), dict(normalization='x'), dict(cmap='x')]
)
def test_settings_that_cannot_be_followed(tmp_path, change):
    with pytest.raises(ConfigError):
        ERFVisBackend(**{'save_dir': str(tmp_path), **change})


def test_a_layer_name_in_a_title_is_no_formula(tmp_path):
    layer = r'a$\nothing$'
    found = ERFResult.from_map([[0.0, 1.0]], layer=layer)
    ERFVisBackend(str(tmp_path)).add_erf(found, 1)
    assert len(list(tmp_path.rglob('*.png'))) == 1
    history = growth_records({layer: found}, 1)
    for _, draw in pictures_of({layer: found}, 1, 'power', history):
        assert draw().shape[2] == 3
