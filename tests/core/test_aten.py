"""Modes that see aten operations."""

import re
from pathlib import Path

import torch
from helpers.seen_operations import Seen
from torch import nn

import mmerf
from mmerf.core.aten import MemoryNotes, storage_of, tensors_in


def test_nothing_is_compiled_while_a_mode_is_active():
    """A mode has to see the operations of a compiled model one by one."""
    compiled = []

    def backend(graph, examples):
        compiled.append(graph)
        return graph.forward

    net = torch.compile(nn.Sequential(nn.ReLU(), nn.Tanh()), backend=backend)
    image = torch.zeros(2)
    with Seen() as seen:
        net(image)
    assert not compiled
    assert seen.names == ['relu', 'tanh']
    torch._dynamo.reset()
    net(image)
    assert len(compiled) == 1


def test_tensors_in_nested_arguments():
    one, two, three = torch.zeros(3, 1)
    values = [one, (two, {'x': three, 'y': 5}), None, 'text']
    found = tensors_in(values)
    assert [a is b for a, b in zip(found, [one, two, three], strict=True)]
    assert tensors_in(7) == []


def test_every_mode_is_one_of_these():
    """Any other would import torch's compiler."""
    found = {
        path.name
        for path in Path(mmerf.__file__).parent.rglob('*.py')
        if re.search(r'\(TorchDispatchMode\)', path.read_text())
    }
    assert found == {'aten.py'}


def test_views_share_a_memory_and_sparse_tensors_have_none():
    tensor = torch.zeros(4, 4)
    assert storage_of(tensor) == storage_of(tensor.t()[1:])
    assert storage_of(tensor) != storage_of(tensor.clone())
    assert storage_of(tensor.to_sparse()) is None


def test_a_traced_module_that_reckons_with_sizes():
    """Its first runs ask for the values of numbers."""

    class Twice(nn.Module):
        def forward(self, x):
            size = (x.shape[2] * 2, x.shape[3] * 2)
            return nn.functional.interpolate(x, size)

    net = torch.jit.trace(Twice(), torch.rand(1, 2, 5, 6), check_trace=False)
    for _ in range(3):
        with Seen() as seen:
            assert net(torch.rand(1, 2, 7, 8)).shape == (1, 2, 14, 16)
        assert seen.names


def test_what_is_noted_of_memory_is_told_of_its_views_alone():
    notes, tensor = MemoryNotes(), torch.rand(4, 4)
    notes.set(tensor, 'made')
    assert notes.of(tensor[1:].t()) == 'made'
    assert notes.of(tensor.clone()) is None
    assert notes.of(tensor.to_sparse(), 'none') == 'none'
    notes.set(tensor.to_sparse(), 'lost')
    gone = [torch.rand(1) for _ in range(500)]
    for each in gone:
        notes.set(each, 'gone')
    gone.clear()
    del each  # addresses that are free are used again at once
    new = [torch.rand(1) for _ in range(500)]
    assert not any(map(notes.of, new))
