"""Time and memory of a measurement, beside two other ways.

Each way of measuring runs in a process of its own, on the same weights and
photographs, and gives its seconds, its peak memory and its maps;
``comparison.compare_ways`` puts them side by side. Two ways were written for
this purpose: ``scripts``, as the scripts in use do it (for every layer and
image a whole forward and a backward, weights' gradients included), and
``plain``, as a careful user would (see :mod:`.plain_way`).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmerf.core.attributions import InputGradient
from mmerf.core.batch import Batch
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.core.running.layer_scores import LayerScores
from mmerf.core.targets import CentreUnit

from .cases import CASES, Case
from .plain_way import plain_way
from .scripts_way import scripts_way

WAYS = ('bare', 'scripts', 'plain', 'full', 'windows', 'bfloat16')
PLANNED_FOR = 50  # images: how many mmerf is told to expect
BASES = ('scripts', 'plain')  # what mmerf is held against


def run_way(case_name: str, way: str, images: int, out: str) -> dict:
    """Run one way in this process; maps go to an ``.npz``.

    Args:
        case_name (str): A key of ``CASES``.
        way (str): One of ``WAYS``.
        images (int): How many after the first, for the steady state.
        out (str): The file of the maps.

    Returns:
        dict: Seconds, peak memory (MB), and details of some ways.
    """
    case = CASES[case_name]
    model = case.model()
    batch = case.images(images + 1)
    device = next(model.parameters()).device
    work: Callable[[Tensor], Any]
    cost: dict[str, Any] = {}
    if way == 'bare':
        work = _bare(case, model, cost, batch[:1].to(device))
    elif way == 'scripts':
        work, maps = scripts_way(case, model)
    elif way == 'plain':
        work, maps = plain_way(case, model)
    else:
        measurement = _measurement(case, model, way)
        forward = case.forward(model)

        def work(image: Tensor) -> None:
            measurement.update(Batch(image, forward, ['photograph']))

    seconds = []
    with _shares(cost):
        for i in range(len(batch)):
            _wait(device)
            began = time.perf_counter()
            work(batch[i : i + 1].to(device))
            _wait(device)
            seconds.append(time.perf_counter() - began)
    # The first image is planned with, the second recorded, where more follow.
    first = 2 if len(seconds) > 2 else 1
    # The median: other work on the machine only ever adds.
    steady = float(np.median(seconds[first:] or seconds))
    once = max(sum(seconds[:first]) - first * steady, 0.0)
    cost |= {'steady': steady, 'once': once}
    cost['peak_mb'] = _peak(device)
    if way in BASES:
        np.savez(out, **{k: v / len(batch) for k, v in maps.items()})
    elif way != 'bare':
        results = measurement.compute()
        np.savez(out, **{key: r.map for key, r in results.items()})
        cost['run_on'] = measurement.passes.run_mode
        cost['sides'] = {
            key: r.statistics()['centred_square'] for key, r in results.items()
        }
        cost['flops'] = _needed(case, model, measurement, batch[:1].to(device))
    return cost


def _measurement(case: Case, model: nn.Module, way: str) -> Measurement:
    attribution = InputGradient()
    if way == 'full':
        attribution.windowed = False
    amp = 'bfloat16' if way == 'bfloat16' else None
    options = MeasurementOptions(
        case.layers, attribution=attribution, batch_size=1, amp=amp
    )
    measurement = Measurement(model, options)
    measurement.expect(PLANNED_FOR)
    measurement.precision_check = None  # a cost that occurs once per run
    return measurement


def _bare(
    case: Case, model: nn.Module, cost: dict, image: Tensor
) -> Callable[[Tensor], Any]:
    forward = case.forward(model)

    def work(image: Tensor) -> None:
        with torch.no_grad():
            forward(image, [0])

    with FlopCounterMode(display=False) as counter:
        work(image)
    cost['flops'] = counter.get_total_flops()
    return work


def _needed(
    case: Case, model: nn.Module, measurement: Measurement, image: Tensor
) -> int:
    """Arithmetic of one forward and one input gradient per layer.

    On the window of the layers that have one, on the image for the rest.
    """
    plan = measurement.passes.plans.known(image)
    forward = case.forward(model)
    pieces: list[tuple[LayerScores, Tensor]] = []
    if plan is None or plan.window is None:
        pieces.append((measurement.scored, image))
    else:
        assert plan.inside is not None
        pieces.append((plan.inside, plan.window.crop(image)))
        if plan.whole is not None:
            pieces.append((plan.whole, image))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    total = 0
    for layers, part in pieces:
        leaf = part.clone().requires_grad_()
        with FlopCounterMode(display=False) as counter:
            parts = layers.read(forward, leaf.clone(), CentreUnit())
            for found in parts.values():
                total_score = found.scores.sum()
                torch.autograd.grad(total_score, leaf, retain_graph=True)
        total += counter.get_total_flops()
    return total


@contextmanager
def _shares(cost: dict) -> Iterator[None]:
    """Seconds in forward and backward passes, summed."""
    spent = {'forward': 0.0, 'backward': 0.0}
    owners = ((LayerScores, 'read'), (torch.autograd, 'grad'))
    before = [getattr(owner, name) for owner, name in owners]

    def timed(run: Callable, kind: str) -> Callable:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return run(*args, **kwargs)
            finally:
                spent[kind] += time.perf_counter() - began

        return wrapped

    began = time.perf_counter()
    try:
        for (owner, name), run, kind in zip(
            owners, before, spent, strict=True
        ):
            setattr(owner, name, timed(run, kind))
        yield
    finally:
        for (owner, name), run in zip(owners, before, strict=True):
            setattr(owner, name, run)
        total = time.perf_counter() - began
        cost['shares'] = {k: v / total for k, v in spent.items()}
        cost['shares']['rest'] = 1 - sum(cost['shares'].values())


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _peak(device: torch.device) -> float:
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
    name, chosen, number, where = sys.argv[1:]
    print(json.dumps(run_way(name, chosen, int(number), where)))
