"""The config of a network that comes without one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from torch import nn

from ...core.errors import ConfigError
from ...core.options import check_size
from .stated import check_mean_and_std, numbers_of


def module_config(
    module: str | os.PathLike | nn.Module,
    options: Mapping[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    letterbox: Sequence[int] | None = None,
) -> Config:
    """A config for a network of any package, as ``run_erf`` takes it.

    Args:
        module: Import path of a class or function, a file (``.onnx``, a
            TorchScript or pickled module), or a torch module.
        options (mapping, optional): Arguments of the class or function; one
            with a ``type`` of its own is built by its import path.
        mean, std (sequence of float, optional): One per channel: of one
            (images are read as grey) or three (RGB), in 0 to 1; of any other
            number, as the file has them (``tifffile`` reads it). None: timm's,
            if the network keeps them, else ImageNet's.
        letterbox (tuple[int, int], optional): Fit images into this (H, W),
            centred, the rest grey, as YOLO does.

    Returns:
        Config: With ``module``, ``normalization`` and ``test_pipeline``.

    Raises:
        ConfigError: If mean and std do not fit each other, or the options
            do not fit the module.

    Example:
        >>> module_config('torchvision.models.resnet18').module
        {'type': 'torchvision.models.resnet18'}
    """
    given: Any = module
    if isinstance(module, nn.Module):
        given = _GivenModule(module)
    elif isinstance(module, os.PathLike):
        given = os.fspath(module)
    check_options(given, options or {})
    mean, std = numbers_of(mean, 'mean'), numbers_of(std, 'std')
    check_mean_and_std(mean, std)
    size = check_size(letterbox)
    steps: list[dict] = [_reader(3 if mean is None else len(mean))]
    if size is not None:
        height, width = size
        steps.append({'type': 'Letterbox', 'scale': (width, height)})
    return Config(
        {
            'default_scope': 'mmseg',
            'module': {'type': given, **(options or {})},
            'normalization': {'mean': mean, 'std': std},
            'test_pipeline': [*steps, {'type': 'PackSegInputs'}],
        }
    )


def check_options(module: Any, options: Mapping[str, Any]) -> None:
    """Raise ConfigError unless a module can have these arguments."""
    if 'type' in options:
        raise ConfigError(
            "a module's own type is not among its options; it is named by "
            'module (--module)'
        )
    if options and isinstance(module, _GivenModule):
        raise ConfigError(
            f'{module.__qualname__} is made already and takes no module '
            'options; leave them out'
        )


class _GivenModule:
    """A module as a constructor that gives it; copies of it give the same."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.__qualname__ = type(module).__name__

    def __call__(self) -> nn.Module:
        return self.module

    def __deepcopy__(self, memo: dict) -> _GivenModule:
        return self


def is_given(module: Mapping) -> bool:
    """Whether a config's ``module`` is the caller's own object."""
    return isinstance(module.get('type'), _GivenModule)


def _reader(channels: int) -> dict:
    """The step that reads an image file with that many channels."""
    step: dict = {'type': 'LoadImageFromFile'}
    if channels == 1:
        return {**step, 'color_type': 'grayscale'}
    if channels != 3:
        return {
            **step, 'color_type': 'unchanged', 'imdecode_backend': 'tifffile'
        }  # fmt: skip
    return step
