"""What belongs to the whole process is given back, whatever left it."""

import random

import numpy as np
import torch
from helpers.model_state import differing, of_process
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import CheckpointFunction

from mmerf.core.state.process_state import precision_owners, process_state
from mmerf.core.state.restoration import run_all


class Left(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def test_everything_that_a_pass_may_leave():
    before, modes = of_process(), torch._C._len_torch_dispatch_stack()
    own = torch.Tensor.register_hook
    wanted = [owner.fp32_precision for owner in precision_owners()]
    callbacks = process_state()
    Left().__enter__()
    torch.set_grad_enabled(False)
    torch.set_autocast_enabled('cpu', True)
    CheckpointFunction.apply = staticmethod(print)
    torch.Tensor.register_hook = print
    random.random(), np.random.rand(), torch.rand(1)
    assert differing(before, of_process()) != []
    for owner in precision_owners():
        owner.fp32_precision = 'ieee'
    run_all(callbacks)
    assert torch._C._len_torch_dispatch_stack() == modes
    assert differing(before, of_process()) == []
    assert torch.Tensor.register_hook is own
    assert 'apply' not in vars(CheckpointFunction)
    assert wanted == [owner.fp32_precision for owner in precision_owners()]
