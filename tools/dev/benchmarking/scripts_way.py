"""Measure as the scripts in use do; written for the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .cases import Case


def scripts_way(
    case: Case, model: nn.Module
) -> tuple[Callable[[Tensor], Any], dict[str, np.ndarray]]:
    """For each layer and image, a whole forward and a whole backward.

    Returns:
        tuple: A function that measures one image (1, 3, H, W), and the maps
        by layer to which it adds.
    """
    forward = case.forward(model)
    maps: dict[str, np.ndarray] = {}
    for parameter in model.parameters():
        parameter.requires_grad_(True)

    def work(image: Tensor) -> None:
        for key, (module, index) in case.taps(model).items():
            kept: list[Tensor] = []
            original = module.forward

            def tapped(*args: Any, run: Any = original, **kwargs: Any) -> Any:
                output = run(*args, **kwargs)
                kept.append(output if index is None else output[index])  # noqa: B023
                return output

            module.forward = tapped
            try:
                leaf = image.clone().requires_grad_()
                forward(leaf, [0])
            finally:
                del module.forward
            h, w = kept[-1].shape[2:]
            model.zero_grad()
            torch.relu(kept[-1][:, :, h // 2, w // 2]).sum().backward()
            assert leaf.grad is not None
            found = torch.relu(leaf.grad).sum(1)[0].cpu().double().numpy()
            maps[key] = maps.get(key, 0.0) + found

    return work, maps
