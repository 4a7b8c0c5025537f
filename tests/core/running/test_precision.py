"""No TF32 or bfloat16 while float32 is measured; afterwards as before."""

import subprocess
import sys

import torch

NEW = hasattr(torch.backends.cudnn, 'conv')  # a switch for each operation
OLDER = [
    'pass',
    "torch.set_float32_matmul_precision('medium')",
    "torch.set_float32_matmul_precision('high')",
    'torch.backends.cuda.matmul.allow_tf32 = True',
    'torch.backends.cudnn.allow_tf32 = False',
]
NEWER = [
    f'torch.backends.{owner}fp32_precision = {value!r}'
    for owner in ('', 'cudnn.', 'cudnn.conv.', 'cudnn.rnn.', 'cuda.matmul.')
    for value in ('tf32', 'ieee', 'none')
] + [
    f'torch.backends.mkldnn.{operation}.fp32_precision = {value!r}'
    for operation in ('conv', 'matmul')
    for value in ('bf16', 'ieee')
]
# A setting gets a process of its own: none can be taken back to the full.
CHECK = """
import os, sys
import torch
from mmerf.core.running.precision import precision

cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul

def operations():
    if not hasattr(cudnn, 'conv'):
        return [cudnn.allow_tf32, matmul.allow_tf32]
    mkldnn = torch.backends.mkldnn
    owners = [cudnn.conv, cudnn.rnn, matmul]
    owners += [mkldnn.conv, mkldnn.rnn, mkldnn.matmul]
    return [owner.fp32_precision for owner in owners]

def older():
    yield torch.get_float32_matmul_precision
    yield lambda: cudnn.allow_tf32
    yield lambda: matmul.allow_tf32

def everything():
    found = operations()
    for read in older():
        try:
            found.append(read())
        except RuntimeError:  # torch itself refuses, after such a setting
            found.append('refused')
    return found

for setting in sys.argv[1:]:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, setting
        continue
    exec(setting)
    before = everything()
    with precision('cuda', None):
        assert not {True, 'tf32', 'bf16'} & set(operations()), operations()
    assert everything() == before, (before, everything())
    os._exit(0)
"""


def test_tf32_is_off_inside_and_as_before_after():
    done = subprocess.run(
        [sys.executable, '-c', CHECK, *OLDER, *NEWER * NEW],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
