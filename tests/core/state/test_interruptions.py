"""Ctrl-C at every line that changes something for a while, or restores it."""

import gc
import sys
from pathlib import Path

import pytest
import torch
from helpers.model_state import differing, of_model, of_process
from helpers.slow_reference import images_like
from helpers.stateful import KINDS, Stateful, described
from torch import nn
from torch.utils.checkpoint import CheckpointFunction

import mmerf
from mmerf import measure_erf
from mmerf.core.shortcuts import budget

CORE = Path(mmerf.__file__).parent / 'core'
FILES = {
    *(str(path) for path in (CORE / 'state').glob('*.py')),
    *(
        str(CORE / name)
        for name in (
            'passes/run_pass.py',
            'running/intercept.py',
            'running/memory.py',
            'running/precision.py',
            'folding/bn_folding.py',
            'folding/pairs.py',
        )
    ),
}


assert all(Path(file).exists() for file in FILES)
RESTORING = (
    'give_back', 'run_all', 'restore', 'replace', 'now', '__exit__',
    '_restore_modules', '_restore_module', '_is_as_kept', 'unchanged',
    '_set_flags', '_give_back', '_give_flags_back',
)  # fmt: skip


class Interrupted:
    """Raises KeyboardInterrupt at one of the lines that run in ``FILES``.

    Args:
        at (int, optional): The line's number in the order of running; None
            counts the lines.
        functions (collection of str, optional): Only lines of these.
    """

    def __init__(self, at=None, functions=None):
        self.at, self.functions = at, functions
        self.lines, self.where = 0, None

    def __enter__(self):
        sys.settrace(self._trace)
        return self

    def __exit__(self, *exc):
        sys.settrace(None)

    def _trace(self, frame, event, arg):
        code = frame.f_code
        if code.co_filename not in FILES:
            return None
        if self.functions and code.co_name not in self.functions:
            return None
        if event == 'line':
            self.lines += 1
            if self.lines == self.at:
                self.where = frame.f_code.co_filename, frame.f_lineno
                raise KeyboardInterrupt
        return self._trace


def new_net():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
    kinds = ('numpy view of a buffer', 'list', 'torch generator', 'hook')
    parts = [Stateful(*KINDS[kind]) for kind in kinds]
    return nn.Sequential(conv, norm, *parts).train()


def found_on(net):
    stack = (
        torch._C._len_torch_dispatch_stack(),
        torch._C._len_torch_function_stack(),
    )
    process = of_process()
    # Where Ctrl-C comes before anything was measured, nothing has drawn yet.
    methods = 'apply' in vars(CheckpointFunction), torch.Tensor.register_hook
    collects = gc.isenabled()
    return of_model(net), described(net), process, stack, methods, collects


def interrupt_every(step, images, functions=None, first=1):
    """Interrupt at every n-th line.

    Returns:
        tuple: How many points there were, and what each left that left
        something.
    """
    with Interrupted(None, functions) as run:
        measure_erf(new_net(), images, ['0', '5'])
    left, points = [], range(first, run.lines + 1, step)
    for at in points:
        net = new_net()
        before = found_on(net)
        raised = False
        with Interrupted(at, functions) as run:
            try:
                measure_erf(net, images, ['0', '5'])
            except KeyboardInterrupt:
                raised = True
        # Later runs take some lines less, as a few things are cached.
        assert raised == (run.where is not None) == (run.lines >= at)
        after = found_on(net)
        if after != before:
            parts = zip(before, after, strict=True)
            found = [differing(one, other) for one, other in parts]
            left.append((at, run.where, found))
    return len(points), left


@pytest.mark.slow
def test_ctrl_c_at_any_line_leaves_nothing(monkeypatch):
    monkeypatch.setattr(budget, 'SMALL_IMAGE', 0)  # fold, look for windows
    points, left = interrupt_every(400, images_like(1, 16, 18))
    assert points > 90
    assert left == []


@pytest.mark.slow
def test_ctrl_c_at_any_line_that_restores_leaves_nothing():
    points, left = interrupt_every(5, images_like(1, 16, 18), RESTORING)
    assert points > 90
    assert left == []
