"""Every image's own files and rows, beside the mean."""

import csv
import json

import numpy as np
import pytest
from helpers.mmseg_configs import config_of
from PIL import Image

from mmerf import ERFResult
from mmerf.apis import run_erf
from mmerf.apis.compare.read_runs import read_run
from mmerf.apis.images import each_image
from mmerf.apis.write_outputs import write_report
from mmerf.core.errors import ConfigError

LAYERS = ['backbone[0]', 'backbone[1]']


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


def test_each_image_of_a_run_as_if_it_were_run_alone(cfg, photos):
    Image.new('RGB', (70, 31)).save(photos / 'other.png')
    (photos / 'text.png').write_text('text')
    options = dict(layers=LAYERS, theory=False)
    run = run_erf(cfg, img_dir=photos, per_image=True, batch_size=2, **options)
    names = ['astronaut.png', 'chelsea.png', 'coffee.png', 'other.png']
    assert [one.name for one in run.images] == [
        str(photos / name) for name in names
    ]
    for one in run.images:
        alone = run_erf(cfg, img_dir=one.name, **options)
        np.testing.assert_allclose(one.image, alone.image)
        for layer in LAYERS:
            found, expected = one.results[layer], alone.results[layer]
            peak = expected.map.max()
            assert np.abs(found.map - expected.map).max() <= 1e-6 * peak
            assert found.unit_pixel == expected.unit_pixel
            assert found.sizes == expected.sizes
            assert found.num_images == 1
            assert found.provenance['image'] == one.name
            assert found.provenance['mmseg']
    assert not run_erf(cfg, img_dir=photos, **options).images


def test_files_and_rows(cfg, photos, tmp_path):
    (photos / 'coffee.png').rename(photos / '=coffee 1.png')
    run = run_erf(cfg, layers=LAYERS, img_dir=photos, per_image=True)
    out = tmp_path / 'out'
    files = write_report(run, out, over_image=True)
    assert [p.name for p in files][:2] == ['erf.json', 'images.csv']
    folders = sorted(path.name for path in (out / 'images').iterdir())
    assert folders == ['0_%3Dcoffee%201', '1_astronaut', '2_chelsea']
    with open(out / 'images.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    listed = json.loads((out / 'erf.json').read_text())['images']
    assert len(rows) == len(listed) == 6
    expected = [(one, layer) for one in run.images for layer in LAYERS]
    for row, item, (one, layer) in zip(rows, listed, expected, strict=True):
        assert row['image'] == item['image'] == one.name
        folder = out / row['folder']
        assert {path.name for path in folder.iterdir()} == {
            'erf.json', 'erf.png', *(f'{name}.npz' for name in LAYERS),
        }  # fmt: skip
        result = ERFResult.load(folder / f'{layer}.npz')
        np.testing.assert_array_equal(result.map, one.results[layer].map)
        side = result.statistics()['centred_square']['0.5']['side']
        assert int(row['side_0.5']) == item['side_0.5'] == side
        assert row['layer'] == layer and row['theory']
        assert list(read_run(folder)) == LAYERS


def test_an_image_without_a_class_has_a_row_that_says_so(cfg, tmp_path):
    cfg.val_dataloader.dataset.metainfo = dict(classes=('left', 'right'))
    run = run_erf(
        cfg, layers='decode_head', per_image=True, theory=False,
        target=dict(type='ClassRegion', classes=['left', 'right']),
        attribution='GradCAM',
    )  # fmt: skip
    run.images[0].results.clear()
    del run.images[1].results[next(iter(run.images[1].results))]
    write_report(run, tmp_path / 'out')
    with open(tmp_path / 'out/images.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * len(run.results)
    notes = [row['note'] for row in rows]
    missing = 'not in this image, or its map is not finite'
    assert notes.count(missing) == len(run.results) + 1
    assert not (tmp_path / 'out/images/0_0/erf.png').exists()
    assert (tmp_path / 'out/images/2_2/erf.png').exists()


def test_one_process_only(cfg, monkeypatch):
    monkeypatch.setattr(each_image, 'get_world_size', lambda: 2)
    with pytest.raises(ConfigError, match='one process'):
        run_erf(cfg, per_image=True)


def test_over_image_needs_an_image_that_maps_lie_on(cfg, photos, tmp_path):
    run = run_erf(
        cfg, layers='backbone[0]', img_dir=photos, per_image=True,
        theory=False,
    )  # fmt: skip
    run.images[1].image = None
    with pytest.raises(ConfigError, match='do not lie on one image'):
        write_report(run, tmp_path / 'out', over_image=True)
    assert not (tmp_path / 'out').exists()
