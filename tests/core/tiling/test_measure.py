"""Tiles against whole images, on tensors; results, and what stays."""

import json

import numpy as np
import pytest
import torch
from helpers.model_state import of_model, of_process
from torch import nn

from mmerf.core.batch import Batch, batch_of
from mmerf.core.errors import ConfigError, MeasurementError, ResultError
from mmerf.core.results.over_images import mean_and_stderr
from mmerf.core.tiling.borders import border_distances
from mmerf.core.tiling.grid import Tiling
from mmerf.core.tiling.measure import TilingMeasurement
from mmerf.core.tiling.result import TilingResult
from mmerf.core.tiling.slide import slide

TILINGS = [Tiling(16, 16), Tiling(16, 8), Tiling(40, 40)]


def network(classes=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 7, padding=3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, classes, 7, padding=3),
    )


def images(count=2, size=(24, 40)):
    torch.manual_seed(1)
    return torch.randn(count, 3, *size)


def measured(model, batch, tilings=TILINGS, **options):
    measurement = TilingMeasurement(model, tilings, **options)
    measurement.update(batch)
    return measurement.compute()


class SmallLogits(nn.Module):
    """Logits at a quarter of the input, as decode heads give them."""

    def __init__(self, align_corners):
        super().__init__()
        self.align_corners = align_corners
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 7, stride=4, padding=3)

    def forward(self, x):
        return self.conv(x)


def changed_pixels(model, one, tiling, align_corners):
    def resized(tile):
        return nn.functional.interpolate(
            model(tile),
            tile.shape[2:],
            mode='bilinear',
            align_corners=align_corners,
        )

    with torch.no_grad():
        whole, tiles = resized(one), slide(resized, one, tiling)
    return int((whole.argmax(1) != tiles.argmax(1)).sum())


@pytest.mark.parametrize('align_corners', [True, False])
def test_small_logits_are_resized_as_the_segmentor_resizes_them(align_corners):
    model, one, tiling = SmallLogits(align_corners), images(1), Tiling(16, 8)
    result = measured(model, batch_of(model, one), [tiling])
    expected = changed_pixels(model, one, tiling, align_corners)
    assert result.differs.sum() == expected
    assert expected != changed_pixels(model, one, tiling, not align_corners)


def test_counts_are_those_of_a_plain_loop():
    model, given = network(), images()
    result = measured(model, batch_of(model, given))
    model.eval()
    for i in range(2):
        one = given[i : i + 1]
        with torch.no_grad():
            whole = model(one).argmax(1)
            for j, tiling in enumerate(TILINGS[:2]):
                found = slide(model, one, tiling).argmax(1)
                differs = (found != whole)[0].numpy()
                assert result.differs[i, j].sum() == differs.sum() > 0
                near = border_distances((24, 40), tiling) < 8
                assert result.differs[i, j, 0] == differs[near].sum()
                assert result.pixels[i, j, 0] == near.sum()
    assert result.edges == (0, 8, 16, 32, 64)
    # a window of 40 cuts no image of 40
    assert not result.pixels[:, 2].any()
    mean, error = result.disagreement()
    shares = result.differs[:, 0].sum(1) / (24 * 40)
    assert mean[0] == pytest.approx(shares.mean())
    assert error[0] == pytest.approx(shares.std(ddof=1) / 2**0.5)
    assert np.isnan(mean[2]) and np.isnan(result.seconds[:, 3]).all()
    assert (result.seconds[:, :3] > 0).all()
    assert result.recommendation().tiling in TILINGS[:2]


def test_memory_is_that_of_the_tensors_alive_at_once():
    """By hand, in planes of one channel: of the image, or of a tile."""
    model = network()
    result = measured(model, batch_of(model, images()))
    image, tile = 4 * 24 * 40, 4 * 16 * 16
    # the image, and what goes in and out of the batch norm
    whole = (3 + 4 + 4) * image
    # image, counts, sum of the logits; beside them the tile, the logits of
    # the tile before, and what goes in and out of the batch norm
    inside = (3 + 1 + 3) * image + (3 + 3 + 4 + 4) * tile
    # image, counts, sum and mean of the logits, and the last tile's logits
    at_the_end = (3 + 1 + 3 + 3) * image + 3 * tile
    tiles = max(inside, at_the_end)
    for found in result.peak_bytes:
        assert found[:3].tolist() == [whole, tiles, tiles]
        assert np.isnan(found[3])
    megabytes = result.megabytes_per_megapixel()
    assert megabytes[0] == pytest.approx(whole / (24 * 40))
    rows = result.record()['tilings']
    assert rows[1]['megabytes_per_megapixel'] == megabytes[2]


def test_nothing_stays_on_the_model():
    model = network().train()
    batch = batch_of(model, images())
    before = of_model(model), of_process()
    measured(model, batch)
    assert (of_model(model), of_process()) == before


def test_labels_give_miou_of_whole_and_tiles():
    model, given = network(), images()
    with torch.no_grad():
        labels = model.eval()(given).argmax(1)
    labels[:, :3] = 255
    batch = Batch(
        given, lambda x, places: model(x), 'ab', labels=lambda: labels
    )
    result = measured(model, batch)
    whole, *tiles = result.miou()
    assert whole == 1 and tiles[2] == 1  # the last one cuts nothing
    assert 0 < tiles[0] < 1 and 0 < tiles[1] < 1
    assert result.matrices[1].sum() == 2 * 21 * 40


def test_padding_is_left_out():
    model, given = network(), images(1)
    meta = {'padding_size': [0, 8, 0, 4]}  # left, right, top, bottom
    batch = Batch(given, lambda x, places: model(x), 'a', [meta])
    result = measured(model, batch)
    assert result.pixels[0, 0].sum() == 20 * 32
    distances = border_distances((24, 40), TILINGS[0])[:20, :32]
    assert result.pixels[0, 0, 0] == (distances < 8).sum()


def test_one_channel():
    model, given = network(1), images()
    result = measured(model, batch_of(model, given), threshold=0.1)
    assert result.definition['class'] == '1 above 0.1, else 0'
    model.eval()
    with torch.no_grad():
        whole = model(given) > 0.1
        tiles = slide(model, given, TILINGS[0]) > 0.1
    assert result.differs[:, 0].sum() == (whole != tiles).sum() > 0
    plain = measured(model, batch_of(model, given))
    assert plain.definition['class'] == '1 above 0, else 0'
    likely = nn.Sequential(model, nn.Sigmoid())
    with pytest.raises(ConfigError, match=r'--threshold 0\.5'):
        measured(likely, batch_of(likely, given))
    with pytest.raises(ConfigError, match='the model gives 3'):
        measured(network(), batch_of(network(), given), threshold=0.5)


class OfWholeImages(nn.Module):
    """Runs on inputs of 24 x 40 alone."""

    def forward(self, x):
        if x.shape[2:] != (24, 40):
            raise ValueError('24 x 40\nor nothing')
        return x


def test_what_cannot_be_compared():
    model = network()
    with pytest.raises(MeasurementError, match='the smallest is 40 px'):
        measured(model, batch_of(model, images()), [Tiling(40, 20)])
    sick = OfWholeImages()
    with pytest.raises(MeasurementError, match='tiles of 16 px') as caught:
        measured(sick, batch_of(sick, images()))
    assert '\n' not in str(caught.value)
    with pytest.raises(MeasurementError, match='no image was measured'):
        TilingMeasurement(model, TILINGS).compute()
    clips = torch.zeros(1, 2, 3, 24, 40)
    with pytest.raises(ConfigError, match='give no clips'):
        measured(model, batch_of(model, clips))


def test_a_result_is_stored_and_loaded(tmp_path):
    model = network()
    result = measured(model, batch_of(model, images()))
    path = result.save(tmp_path / 'tiles.npz')
    loaded = TilingResult.load(path)
    assert loaded.record() == result.record()
    assert (loaded.differs == result.differs).all()
    assert loaded.tilings == result.tilings and loaded.sizes == result.sizes
    record = json.loads(json.dumps(result.record(), allow_nan=False))
    assert record['tilings'][2]['differ'] is None
    assert record['recommended']['within'] == 0.01
    with pytest.raises(ResultError, match='there is no file'):
        TilingResult.load(tmp_path / 'none.npz')
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ResultError, match='measure it again'):
        TilingResult.load(path)


def test_means_leave_out_images_without_a_share():
    nan = float('nan')
    mean, error = mean_and_stderr(
        np.array([[1, nan, nan], [3, 2, nan], [5, 4, nan]])
    )
    assert mean[:2].tolist() == [3, 3] and np.isnan(mean[2])
    assert error[:2] == pytest.approx([2 / 3**0.5, 1]) and np.isnan(error[2])
