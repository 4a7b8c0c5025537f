import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmerf.engine.batches.labels import IGNORED, class_names, ground_truth


def sample(labels, **meta):
    made = SegDataSample(metainfo=meta)
    made.gt_sem_seg = PixelData(data=torch.as_tensor(labels)[None])
    return made


def test_labels_lie_over_the_resized_image_and_padding_is_ignored():
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = ground_truth([sample(labels, img_shape=(6, 8))], (7, 10))
    assert found.shape == (1, 7, 10)
    assert torch.equal(found[0, :6:2, :8:2], torch.arange(12).view(3, 4))
    assert torch.equal(found[0, 1:6:2, 1:8:2], torch.arange(12).view(3, 4))
    assert (found[0, 6] == IGNORED).all() and (found[0, :, 8:] == 255).all()


def test_a_window_of_the_slide_mode_takes_its_part():
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    window = slice(1, 4), slice(2, 7)
    found = ground_truth([sample(labels, img_shape=(6, 8))], (6, 8), window)
    assert torch.equal(found[0], torch.arange(48).view(6, 8)[1:4, 2:7])


@pytest.mark.parametrize('samples', [None, [], [SegDataSample()]])
def test_images_without_labels(samples):
    assert ground_truth(samples, (4, 4)) is None


def test_names_of_classes_inside_wrappers():
    class Plain:
        metainfo = dict(classes=('a', 'b'))

    class Wrapper:
        def __init__(self, **inside):
            self.__dict__.update(inside)

    assert class_names(Plain()) == ['a', 'b']
    assert class_names(Wrapper(dataset=Wrapper(datasets=[Plain()]))) == [
        'a',
        'b',
    ]
    assert class_names(Wrapper()) is None and class_names(None) is None
