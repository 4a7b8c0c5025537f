"""Five photographs of five sizes, aligned slowly and independently."""

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import config_of
from helpers.slow_reference import centre_score, slow_map
from PIL import Image
from skimage import data

from mmerf.apis import run_erf
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config

SIZES = {
    'astronaut': (48, 64),
    'chelsea': (64, 40),
    'coffee': (33, 57),
    'rocket': (80, 80),
    'retina': (41, 96),
}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'five'
    root.mkdir()
    for name, (height, width) in SIZES.items():
        picture = Image.fromarray(getattr(data, name)())
        picture.resize((width, height)).save(root / f'{name}.png')
    return root


@pytest.mark.parametrize('batch_size', [1, 4])
@pytest.mark.parametrize('key', ['backbone[3]', 'decode_head'])
def test_aligned_mean(folder, data_root, tmp_path, batch_size, key):
    cfg = config_of(data_root, tmp_path)
    run = run_erf(cfg, layers=[key], img_dir=folder, batch_size=batch_size)
    result = run.results[key]
    model, _ = build_model(load_config(cfg))

    def score(x):
        features = model.backbone(x)
        return centre_score(
            features[3]
            if key == 'backbone[3]'
            else model.decode_head.forward(features)
        )

    canvas, covered = np.zeros((300, 300)), np.zeros((300, 300))
    mean = torch.tensor([120.0, 115.0, 105.0]).view(3, 1, 1)
    std = torch.tensor([58.0, 57, 57]).view(3, 1, 1)
    for name, (height, width) in SIZES.items():
        array = np.asarray(Image.open(folder / f'{name}.png')).copy()
        image = torch.from_numpy(array).permute(2, 0, 1).float()
        single = slow_map(((image - mean) / std)[None], score)
        # a padded net of stride 8: unit i sits at pixel 8 i, i = h // 2
        unit = [8 * (-(-side // 8) // 2) for side in (height, width)]
        place = np.s_[
            150 - unit[0] : 150 - unit[0] + height,
            150 - unit[1] : 150 - unit[1] + width,
        ]
        canvas[place] += single / 5
        covered[place] += 1
    y, x = (int(c) for c in result.unit_pixel)
    h, w = result.map.shape
    window = np.s_[150 - y : 150 - y + h, 150 - x : 150 - x + w]
    peak = canvas.max()
    assert (
        peak > 0 and np.abs(result.map - canvas[window]).max() <= 1e-6 * peak
    )
    assert canvas.sum() == pytest.approx(result.map.sum())
    np.testing.assert_array_equal(result.coverage, covered[window])
    assert covered.sum() == covered[window].sum()
    area = np.mean([h * w for h, w in SIZES.values()])
    square = result.statistics()['centred_square']['0.5']
    assert square['area_ratio'] == pytest.approx(square['side'] ** 2 / area)
    assert result.statistics()['replknet']['0.5'] is None
