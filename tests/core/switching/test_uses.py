import torch

from mmerf.core.switching.uses import UseWatch


def test_a_sparse_tensor_is_not_taken_for_another():
    """It has no memory by which it could be told from others of its shape."""
    watch = UseWatch()
    one, other = (torch.eye(3).to_sparse() for _ in range(2))
    watch.returned('arm', one)
    with watch:
        other + other
    assert watch.uses == {'arm': set()}
