"""What is alive at once in a forward, against sums by hand."""

import torch
from torch import nn

from mmerf.core.running.peak_memory import PeakMemory

PLANE = 16 * 16 * 4  # bytes of one channel of the images


def peak_of(run):
    with torch.no_grad(), PeakMemory() as peak:
        run()
    return peak.bytes


def test_a_chain_holds_two_tensors_at_a_time():
    """A layer's output and the next one's; weights count nothing."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 2, 1)
    )
    image = torch.rand(1, 3, 16, 16)
    assert peak_of(lambda: net(image)) == 2 * 8 * PLANE
    # a second input of the same size doubles it
    assert peak_of(lambda: net(image.repeat(2, 1, 1, 1))) == 38 * PLANE


def test_views_and_writing_in_place_take_nothing():
    image = torch.rand(1, 3, 16, 16)

    def run():
        image[:, :1].add_(1)
        return image.permute(0, 2, 3, 1).reshape(1, 256, 3).relu_()

    assert peak_of(run) == 0
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True))
    assert peak_of(lambda: net(image)) == 8 * PLANE


def test_a_skip_is_alive_beside_its_branch():
    def run():
        skip = torch.zeros(1, 1, 16, 16)
        for _ in range(5):  # one goes as the next is there
            deep = torch.ones(1, 4, 16, 16)
            deep = deep + 1
        return skip + deep

    assert peak_of(run) == (1 + 4 + 4) * PLANE


def test_sparse_tensors_are_passed_over():
    def run():
        return torch.eye(4).to_sparse().to_dense()

    assert peak_of(run) == 16 * 4  # the dense one, there and back
