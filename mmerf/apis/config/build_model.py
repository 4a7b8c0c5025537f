"""Config and checkpoint -> a model that can be measured."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import set_random_seed
from mmseg.registry import MODELS
from torch import nn

from ...core.errors import ConfigError, ERFError, one_line
from .checkpoint import load_checkpoint
from .config_file import without_pretrained
from .missing_packages import needed_package


def build_model(
    cfg: Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial: bool = False,
) -> tuple[nn.Module, dict]:
    """Build a config's model, with a checkpoint's weights or its own.

    Args:
        cfg (Config): Has a ``model``.
        checkpoint: None for the config's own initial weights, without network
            access: what would be downloaded stays random.
        device (str, optional): None for CUDA where there is one, else CPU.
        seed (int): Of the initial weights.
        trust_checkpoint (bool): Allow a checkpoint whose pickle runs code.
        partial (bool): Load the weights that fit; the others keep the
            config's initial values.

    Returns:
        tuple[nn.Module, dict]: The model in eval mode, and what
        ``load_checkpoint`` returned; an empty dict without one.

    Raises:
        ConfigError: If the model cannot be built or moved.
        CheckpointError: If the checkpoint cannot be used.
    """
    if not isinstance(cfg.get('model'), Mapping):
        raise ConfigError('the config has no model; give a full config')
    if not 0 <= seed < 2**32:
        raise ConfigError(f'seed lies between 0 and 2**32 - 1, not {seed}')
    set_random_seed(seed)
    MMLogger.get_instance('mmerf', log_level='ERROR')
    try:
        model_cfg = without_pretrained(cfg.model)
        if 'decode_head' in model_cfg:
            model_cfg.setdefault('test_cfg', {'mode': 'whole'})
        model = MODELS.build(model_cfg)
        if (checkpoint is None or partial) and hasattr(model, 'init_weights'):
            model.init_weights()
    except ERFError:
        raise
    except Exception as error:  # the config's classes may raise anything
        package = needed_package(error, cfg.pretty_text)
        raise ConfigError(
            f'the model needs {package}'
            if package
            else f'the model could not be built: {one_line(error)}'
        ) from error
    loaded = {}
    if checkpoint is not None:
        loaded = load_checkpoint(model, checkpoint, trust_checkpoint, partial)
    model = revert_sync_batchnorm(model)
    model = move(model, device)
    model.eval()  # some models return None here
    return model, loaded


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
