"""The hook's memory: how much of a pass, and that it never grows."""

import ctypes
import gc
import sys

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, SEGFORMER, build
from helpers.slow_reference import images_like
from torch.profiler import ProfilerActivity, profile

from mmerf.core.batch import batch_of
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions

META = dict(img_shape=(96, 128), pad_shape=(96, 128), ori_shape=(96, 128))


def peak(run):
    """Most bytes of tensors that were alive at once, beyond the start."""
    activities = [ProfilerActivity.CPU]
    with profile(activities=activities, profile_memory=True) as found:
        run()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in found.profiler.kineto_results.events()
        if event.name() == '[memory]'
    ]
    assert len(changes) > 100
    return int(np.cumsum([size for _, size in sorted(changes)]).max())


@pytest.mark.parametrize('config', [FCN, SEGFORMER], ids=['fcn', 'segformer'])
@pytest.mark.parametrize(
    ('layers', 'most'), [(['decode_head'], 1.2), (None, 1.5)], ids=['1', '5']
)
def test_a_pass_takes_as_much_as_the_readme_says(config, layers, most):
    """Of one forward with gradient, of the same batch."""
    model = build(config)
    images = images_like(4, 96, 128)

    def forward(x):
        return model.encode_decode(x, [META] * len(x))

    def plain():
        leaf = images.clone().requires_grad_()
        forward(leaf).sum().backward()

    measurement = Measurement(model, MeasurementOptions(layers))
    measurement.update(batch_of(forward, images[:1]))
    batch = batch_of(forward, images)
    pass_of_ours = peak(lambda: measurement.update(batch))
    forward_with_gradient = peak(plain)
    assert forward_with_gradient > 10 * images.nbytes
    assert pass_of_ours <= most * forward_with_gradient


FIELDS = """
arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost
"""


class Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS.split()]


def allocated():
    """Bytes that malloc has handed out and not got back.

    The resident size would count freed memory as well, which grows with how
    many holes the tests before this one have left.
    """
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Heap
    heap = ask()
    return heap.uordblks + heap.hblkhd


def kept():
    """Bytes of malloc, blocks of Python's allocator, objects, tensors."""
    gc.collect()
    objects = gc.get_objects()
    tensors = sum(type(t) is torch.Tensor for t in objects)
    number = len(objects)
    del objects
    return allocated(), sys.getallocatedblocks(), number, tensors


def test_fifty_validations_keep_nothing(make_runner, monkeypatch):
    from mmerf.engine.hooks import publisher

    picture = np.zeros((4, 4, 3), np.uint8)
    monkeypatch.setattr(
        publisher, 'pictures_of', lambda *args: [('a', lambda: picture)]
    )
    hook = dict(type='ERFHook', layers=['backbone[1]'], num_images=2)
    runner = make_runner([hook], backends=[dict(type='LocalVisBackend')])
    runner.val()
    for _ in range(9):
        runner.val_loop.run()
    before = kept()
    for _ in range(40):
        runner.val_loop.run()
    size, blocks, objects, tensors = np.subtract(kept(), before)
    assert objects < 40  # one kept at each validation is 40
    assert tensors <= 0
    assert blocks < 400
    assert size < 1_000_000  # 25 KB kept at each validation
