"""The class of every input pixel."""

import pytest
import torch
from torch import nn

from mmerf.core.batch import Batch
from mmerf.core.errors import TargetError
from mmerf.core.targets import ClassRegion
from mmerf.core.targets.class_map import (
    labels_of_pixels,
    resized_logits,
    without_padding,
)
from mmerf.core.targets.pass_context import bind_target


def batch_with(metas, size=(8, 12), kind='whole image'):
    images = torch.rand(len(metas), 3, *size)
    return Batch(images, lambda x, _: x, ['a', 'b'], metas, kind=kind)


def test_labels_are_resized_and_what_is_no_class_is_none():
    labels = torch.tensor([[[0, 1], [255, 2]]])
    found = labels_of_pixels(labels, (4, 4), 2)
    assert found[0].tolist() == [[0, 0, 1, 1]] * 2 + [[-1] * 4] * 2
    odd = torch.arange(3).view(1, 1, 3)
    assert labels_of_pixels(odd, (1, 5), 3).tolist() == [[[0, 0, 1, 2, 2]]]


@pytest.mark.parametrize('aligned', [False, True])
def test_logits_are_resized_as_the_segmentor_does(aligned):
    model = nn.Identity()
    model.align_corners = aligned
    logits = torch.randn(1, 2, 3, 4)
    found = resized_logits(logits, (6, 9), model)
    expected = nn.functional.interpolate(
        logits, (6, 9), mode='bilinear', align_corners=aligned
    )
    assert torch.equal(found, expected)
    assert resized_logits(logits, (3, 4), model) is logits


def test_padding_is_of_no_class():
    """At twice the size, as with input_size: the padding grows as well."""
    metas = [
        dict(img_shape=(6, 9, 3), pad_shape=(8, 12)),
        dict(img_shape=(8, 12)),
    ]
    classes = torch.zeros(2, 16, 24, dtype=torch.long)
    found = without_padding(classes, batch_with(metas))
    expected = torch.full((16, 24), -1)
    expected[:12, :18] = 0
    assert torch.equal(found[0], expected) and not found[1].any()
    assert not classes.any()
    with pytest.raises(TargetError, match='cannot tell the padding of one w'):
        without_padding(classes, batch_with(metas, kind='one window'))


def test_bound_predictions_are_of_resized_logits_without_padding():
    model = nn.Conv2d(3, 4, 2, 2)
    metas = [dict(img_shape=(8, 10), pad_shape=(8, 12))]
    batch = batch_with(metas)
    batch = Batch(batch.inputs, lambda x, _: model(x), ['a'], metas)
    arguments = ClassRegion(), model, batch, batch.inputs
    assert bind_target(*arguments).known.predictions.shape == (1, 4, 6)
    found = bind_target(*arguments, at_pixels=True).known.predictions
    logits = nn.functional.interpolate(
        model(batch.inputs), (8, 12), mode='bilinear'
    )
    assert torch.equal(found[:, :, :10], logits.argmax(1)[:, :, :10])
    assert (found[:, :, 10:] == -1).all()
