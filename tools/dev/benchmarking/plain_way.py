"""Measure as a careful user would; written for the benchmark.

One forward for each batch, parameters frozen, one backward pass for each
layer on the kept graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .cases import Case

Read = Callable[[str, Any], dict[str, Tensor]]


def plain_maps(
    model: nn.Module,
    batches: Iterable[Tensor],
    modules: Sequence[str],
    read: Read,
    run: Callable[[Tensor], Any],
) -> dict[str, np.ndarray]:
    """The mean map of each layer's middle unit.

    Args:
        model (nn.Module): In eval mode; its parameters stay frozen.
        batches: Images as they are given, each (N, C, H, W).
        modules (sequence of str): Names of the modules that are watched.
        read (callable): ``read(name, output)``: what a module returned, as
            (N, c, h, w) by layer key.
        run (callable): Runs the model on a batch.

    Returns:
        dict[str, np.ndarray]: By layer key, (H, W) in float64.
    """
    model.requires_grad_(False)
    sums: dict[str, np.ndarray] = {}
    count = 0
    for batch in batches:
        leaf = batch.clone().requires_grad_()
        with watched(model, modules, read) as scores:
            run(leaf)
        for key, score in scores.items():
            (gradient,) = torch.autograd.grad(score, leaf, retain_graph=True)
            positive = torch.relu(gradient).sum((0, 1)).double().cpu().numpy()
            sums[key] = sums.get(key, 0.0) + positive
        count += len(batch)
    return {key: total / count for key, total in sums.items()}


@contextmanager
def watched(
    model: nn.Module, modules: Sequence[str], read: Read
) -> Iterator[dict[str, Tensor]]:
    """Scores by layer key, filled while the model runs.

    ``forward`` itself is wrapped: segmentors call that of their head, past
    its forward hooks.
    """
    scores: dict[str, Tensor] = {}

    def watch(name: str, own: Callable) -> Callable:
        def forward(*args: Any, **kwargs: Any) -> Any:
            output = own(*args, **kwargs)
            for key, nchw in read(name, output).items():
                h, w = nchw.shape[2:]
                scores[key] = torch.relu(nchw[:, :, h // 2, w // 2]).sum()
            return output

        return forward

    watching = [(name, model.get_submodule(name)) for name in modules]
    for name, module in watching:
        module.forward = watch(name, module.forward)
    try:
        yield scores
    finally:
        for _, module in watching:
            del module.forward


def plain_way(
    case: Case, model: nn.Module
) -> tuple[Callable[[Tensor], Any], dict[str, np.ndarray]]:
    """As ``scripts_way``, with one forward for all layers."""
    forward = case.forward(model)
    names = {module: name for name, module in model.named_modules()}
    places = {
        key: (names[module], index)
        for key, (module, index) in case.taps(model).items()
    }
    modules = list(dict.fromkeys(name for name, _ in places.values()))
    maps: dict[str, np.ndarray] = {}

    def read(module: str, output: Any) -> dict[str, Tensor]:
        return {
            key: output if index is None else output[index]
            for key, (name, index) in places.items()
            if name == module
        }

    def work(image: Tensor) -> None:
        found = plain_maps(
            model, [image], modules, read, lambda x: forward(x, [0])
        )
        for key, value in found.items():
            maps[key] = maps.get(key, 0.0) + value

    return work, maps
