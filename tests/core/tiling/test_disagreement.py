"""Counts by distance and confusion, against slow counts."""

import numpy as np
import pytest
import torch

from mmerf.core.errors import ConfigError
from mmerf.core.targets.class_map import classes_along
from mmerf.core.tiling.disagreement import (
    confusion,
    count_by_distance,
    mean_iou,
)


def test_counts_by_distance():
    rng = np.random.default_rng(0)
    differs = rng.random((9, 13)) < 0.3
    distances = rng.integers(0, 40, (9, 13))
    edges = (0, 8, 16, 32)
    changed, pixels = count_by_distance(differs, distances, edges)
    for i, (low, high) in enumerate(((0, 8), (8, 16), (16, 99))):
        inside = (distances >= low) & (distances < high)
        assert pixels[i] == inside.sum()
        assert changed[i] == (inside & differs).sum()
    assert changed.sum() == differs.sum() and pixels.sum() == 9 * 13


def test_one_channel_has_a_threshold():
    logits = torch.tensor([[[[-1.0, 0.0, 0.4, 2.0]]]])
    assert classes_along(logits, 1).tolist() == [[[0, 0, 1, 1]]]
    assert classes_along(logits, 1, 0.5).tolist() == [[[0, 0, 0, 1]]]
    both = torch.cat([-logits, logits], 1)
    assert classes_along(both, 1).tolist() == [[[0, 0, 1, 1]]]


def test_mean_iou_agrees_with_mmseg():
    from mmseg.evaluation import IoUMetric

    generator = torch.Generator().manual_seed(0)
    predicted = torch.randint(0, 4, (20, 30), generator=generator)
    labels = torch.randint(0, 4, (20, 30), generator=generator)
    labels[:5] = 255
    matrix = confusion(predicted, labels, 5)  # class 4 is nowhere
    counts = IoUMetric.intersect_and_union(predicted, labels, 5, 255)
    metric = IoUMetric.total_area_to_metrics(*counts, metrics=['mIoU'])
    assert mean_iou(matrix) == pytest.approx(float(np.nanmean(metric['IoU'])))
    assert matrix.sum() == 15 * 30


def test_labels_of_other_classes_are_refused():
    with pytest.raises(ConfigError, match='labels go from 0 to 7'):
        confusion(torch.zeros(2, dtype=int), torch.tensor([0, 7]), 3)
    assert np.isnan(mean_iou(np.zeros((3, 3))))
