"""Config and checkpoint -> a model that can be measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import set_random_seed
from mmseg.registry import MODELS
from torch import nn

from ...core.errors import ConfigError, ERFError, one_line
from .checkpoint.load import load_file
from .checkpoint.read_file import read_file
from .missing_packages import needed_package
from .pretrained import safe_file_loader, without_fetched
from .pretrained_notes import pretrained_notes


def build_model(
    cfg: Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial: bool = False,
    pretrained: bool = True,
) -> tuple[nn.Module, dict]:
    """Build a config's model, with a checkpoint's weights or its own.

    Args:
        cfg (Config): Has a ``model``.
        checkpoint: None for the config's own initial weights: its pretrained
            local files are loaded, what would be fetched stays random.
        device (str, optional): None for CUDA where there is one, else CPU.
        seed (int): Of the initial weights.
        trust_checkpoint (bool): Allow a checkpoint whose pickle runs code.
        partial (bool): Load the weights that fit; the others keep the
            config's initial values, pretrained files included.
        pretrained (bool): False to leave out pretrained files.

    Returns:
        tuple[nn.Module, dict]: The model in eval mode, and what
        ``load_checkpoint`` returned, if there was one. ``not_fetched`` names
        the pretrained weights that stayed random for want of fetching,
        ``pretrained`` says in a line each which files were loaded; they are
        absent where the checkpoint replaces all initial weights.

    Raises:
        ConfigError: If the model cannot be built or moved.
        CheckpointError: If the checkpoint, or a pretrained file, cannot be
            used.
    """
    if not isinstance(cfg.get('model'), Mapping):
        raise ConfigError('the config has no model; give a full config')
    seed_everything(seed)
    MMLogger.get_instance('mmerf', log_level='ERROR')
    initial = checkpoint is None or partial
    file = (
        None if checkpoint is None else read_file(checkpoint, trust_checkpoint)
    )
    model_cfg, found = without_fetched(cfg.model, initial and pretrained)
    quiet = bool(found.files)
    with (
        _config_errors(cfg),
        safe_file_loader(trust_checkpoint, quiet) as read,
    ):
        if 'decode_head' in model_cfg:
            model_cfg.setdefault('test_cfg', {'mode': 'whole'})
        model = MODELS.build(model_cfg)
        if initial:
            _init_weights(model)
        notes = pretrained_notes(model, read)
    loaded: dict = {}
    if file is not None:
        loaded = load_file(model, file, partial)
        if loaded['missing'] and not partial:  # they need initial values
            with _config_errors(cfg):
                _init_weights(model)
            loaded = load_file(model, file)
    if initial:
        loaded['not_fetched'] = found.not_fetched
        loaded['pretrained'] = notes
    model = revert_sync_batchnorm(model)
    model = move(model, device)
    model.eval()  # some models return None here
    return model, loaded


def seed_everything(seed: int) -> None:
    """Seed torch, NumPy and Python; ConfigError if it is no seed."""
    if not 0 <= seed < 2**32:
        raise ConfigError(f'seed lies between 0 and 2**32 - 1, not {seed}')
    set_random_seed(seed)


@contextmanager
def _config_errors(cfg: Config) -> Iterator[None]:
    """What a config's classes raise, as a ConfigError of one line."""
    try:
        yield
    except ERFError:
        raise
    except Exception as error:  # the config's classes may raise anything
        package = needed_package(error, cfg.pretty_text)
        raise ConfigError(
            f'the model needs {package}'
            if package
            else f'the model could not be built: {one_line(error)}'
        ) from error


def _init_weights(model: nn.Module) -> None:
    initialise: Any = getattr(model, 'init_weights', None)
    if initialise is not None:
        initialise()


def move(model: nn.Module, device: str | None) -> nn.Module:
    """Move a model to a device.

    Raises:
        ConfigError: If the device cannot be used.
    """
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f'device {device!r} cannot be used: {one_line(error)}'
        ) from error
