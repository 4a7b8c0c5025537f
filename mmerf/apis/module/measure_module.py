"""ERFs of a network without a config."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ...core.results.erf_result import ERFResult
from ..erf import erf_from_config
from .module_config import module_config


def erf_from_module(
    module: str | os.PathLike | nn.Module,
    checkpoint: str | os.PathLike | None = None,
    *,
    img_dir: str | os.PathLike,
    module_options: Mapping[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    letterbox: Sequence[int] | None = None,
    **options: Any,
) -> dict[str, ERFResult]:
    """ERFs of any network on images from files.

    Args:
        module: Import path of a class or function that gives a network, with
            its arguments in ``module_options``; an ``.onnx`` file; a
            TorchScript or pickled module, with ``trust_checkpoint=True``; or
            a torch module, which is left as it was.
        checkpoint: Weights to load; None for those that the network starts
            with, or that its file holds.
        img_dir: An image, or a folder of images.
        module_options (mapping, optional): Arguments of the class or
            function. One with a ``type`` of its own is built by its path.
        mean, std (sequence of float, optional): One per channel; see
            ``module_config``.
        letterbox (tuple[int, int], optional): Fit images into this (H, W).
        **options: ``layers``, ``num_images``, ``input_size``, ``device`` and
            the other arguments of :func:`mmerf.apis.run_erf`.

    Returns:
        dict[str, ERFResult]: By layer key.

    Raises:
        ERFError: If the network, weights, images or settings cannot be used;
            its text is one line that says what would be right.
    """
    config = module_config(module, module_options, mean, std, letterbox)
    return erf_from_config(config, checkpoint, img_dir=img_dir, **options)
