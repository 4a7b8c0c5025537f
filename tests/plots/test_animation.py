import numpy as np
import pytest
from PIL import Image

from mmerf.core.errors import ConfigError
from mmerf.plots import plot_layers, to_rgb
from mmerf.plots.animation import animation, save_animation


def test_frames_look_as_the_figures_do(result, tmp_path):
    figures = [
        plot_layers({'a': result}, title=f'step {step}')[0]
        for step in (0, 4, 8)
    ]
    path = save_animation(iter(figures), tmp_path / 'x' / 'grows.gif')
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info['loop'] == 0
        for place, figure in enumerate(figures):
            film.seek(place)
            expected = to_rgb(figure).astype(float)
            found = np.asarray(film.convert('RGB')).astype(float)
            assert np.abs(found - expected).mean() < 8
            assert film.info['duration'] == (3000 if place == 2 else 1000)


def test_smaller_figures_are_padded(result, tmp_path):
    figures = [
        plot_layers(dict.fromkeys(names, result))[0] for names in ('a', 'ab')
    ]
    shapes = [to_rgb(figure).shape for figure in figures]
    assert shapes[0] != shapes[1]
    with Image.open(save_animation(figures, tmp_path / 'a.gif')) as film:
        assert film.size == (shapes[1][1], max(shape[0] for shape in shapes))


def test_what_cannot_be_written_is_refused(result, tmp_path, monkeypatch):
    figure = plot_layers({'a': result})[0]
    with pytest.raises(ConfigError, match='no name for an animation'):
        save_animation([figure], tmp_path / 'a.avi')
    monkeypatch.setattr(
        animation.writers, 'is_available', lambda name: name != 'ffmpeg'
    )
    with pytest.raises(ConfigError, match='ffmpeg'):
        save_animation([figure], tmp_path / 'a.mp4')
    assert not list(tmp_path.iterdir())
