"""Maps of trainings, one frame per step."""

import numpy as np
import pytest
from PIL import Image

from mmerf import ERFResult
from mmerf.apis.compare import animation
from mmerf.core.errors import ConfigError
from mmerf.visualization import ERFVisBackend


@pytest.fixture
def trainings(tmp_path):
    """Two trainings; the second is measured later and grows further."""
    y, x = np.mgrid[:60, :80]
    far = np.hypot(y - 30, x - 40)
    folders = []
    for name, steps in (('one', (0, 8, 16)), ('two', (8, 16))):
        backend = ERFVisBackend(save_dir=str(tmp_path / name / 'vis_data'))
        for step in steps:
            map_hw = np.exp(-far / (1 + step / 4))
            backend.add_erf(
                ERFResult.from_map(map_hw, (30, 40), layer='a'), step
            )
        folders.append(backend.folder)
    return folders


def test_every_step_is_a_frame_of_one_scale(trainings, tmp_path, monkeypatch):
    drawn = []
    plot = animation.plot_comparison

    def spy(runs, **options):
        figure, axes = plot(runs, **options)
        drawn.append((runs, options['title'], axes))
        return figure, axes

    monkeypatch.setattr(animation, 'plot_comparison', spy)
    (path,) = animation.write_animation(
        trainings, tmp_path / 'grows.gif', names=['one', 'two'], title='demo'
    )
    assert [title for _, title, _ in drawn] == [
        'demo, step 0', 'demo, step 8', 'demo, step 16',
    ]  # fmt: skip
    assert drawn[0][0]['two'] == {}  # not measured yet
    for (runs, _, axes), step in zip(drawn, (0, 8, 16), strict=True):
        stored = ERFResult.load(trainings[0] / str(step) / 'a.npz')
        np.testing.assert_array_equal(runs['one']['a'].map, stored.map)
        assert axes[0, 0].get_xlim() == drawn[-1][2][0, 0].get_xlim()
    with Image.open(path) as film:
        assert film.n_frames == 3


def test_unknown_layers_and_looks_are_refused(trainings, tmp_path):
    out = tmp_path / 'a.gif'
    for options in (dict(layers=['b']), dict(width='wall'), dict(cmap='x')):
        with pytest.raises(ConfigError):
            animation.write_animation(trainings, out, **options)
    assert not out.exists()
