"""Batches of a run, and what happens where one fails."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from helpers.outside_log import Log
from mmseg.structures import SegDataSample

from mmerf.apis.images.batches import measure_batch, pass_size
from mmerf.apis.images.measure_images import measure_images
from mmerf.apis.images.source import ImageSource
from mmerf.core.errors import ImageError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions


class Allergic(torch.nn.Module):
    """A network that does not run on white images."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.log = Log(ran=[])

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if (inputs == 255).all((1, 2, 3)).any():
            raise RuntimeError('white\nis not for me')
        self.log.ran += [float(image.mean()) for image in inputs]
        return self.conv(inputs)

    def data_preprocessor(self, batch, training):
        return {**batch, 'inputs': torch.stack(batch['inputs']).float()}


@pytest.mark.usefixtures('as_few')
@pytest.mark.parametrize('batch_size', [None, 1, 2])
def test_an_image_that_fails_is_skipped_and_no_other_counted_twice(batch_size):
    """Also where a smaller pass of the same batch came through before."""
    colours = [10, 20, 255, 40]
    names = [f'{colour}.png' for colour in colours]
    batch = dict(
        inputs=[torch.full((3, 6, 6), colour) for colour in colours],
        data_samples=[
            SegDataSample(metainfo=dict(img_path=name)) for name in names
        ],
    )
    net = Allergic()
    measurement = Measurement(
        net, MeasurementOptions(['conv'], batch_size=batch_size)
    )
    source = ImageSource(names, None, 'here')
    measure_batch(measurement, batch, source)
    assert measurement.seen == 3
    assert measurement.compute()['conv'].num_images == 3
    assert net.log.ran == [10, 20, 40]
    assert source.skipped == {
        '255.png': 'the model does not run on its 6 x 6 input: '
        'white is not for me'
    }


@pytest.mark.parametrize(
    ('batch_size', 'fitting', 'cuda', 'size'),
    [(3, 8, True, 3), (None, 8, True, 8), (None, 8, False, 1),
     (None, None, True, 1)],
)  # fmt: skip
def test_images_of_the_next_pass(batch_size, fitting, cuda, size):
    parameter = SimpleNamespace(is_cuda=cuda)
    measurement = SimpleNamespace(
        model=SimpleNamespace(parameters=lambda: iter([parameter])),
        batch_size=batch_size,
        fitting=fitting,
    )
    assert pass_size(measurement) == size


def test_the_measurement_is_told_how_many_images_come(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(Measurement, 'expect', lambda own, n: told.append(n))
    monkeypatch.setattr(ImageSource, 'batches', lambda *args: iter(()))
    measurement = Measurement(Allergic(), MeasurementOptions(['conv']))
    source = ImageSource(['a.png', 'b.png', 'c.png'], None, 'here')
    with suppress(ImageError):  # none was measured
        measure_images(measurement, source, 2, 'first')
    assert told == [2]
