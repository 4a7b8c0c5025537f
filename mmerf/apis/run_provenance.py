"""What a run was made with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import mmseg
import torch
from mmengine.config import Config

from .module.load_module import describe_module
from .module.network import Network


def provenance_of_run(
    config: Any, cfg: Config, network: Network, seed: int
) -> dict:
    """What a run was made with: config, checkpoint, device, versions."""
    name = config if isinstance(config, (str, os.PathLike)) else cfg.filename
    if cfg.get('module'):
        name = describe_module(cfg.module)
    path = network.loaded.get('path')
    first = next(network.model.parameters(), torch.zeros(0))
    return {
        'config': None if name is None else os.fspath(name),
        'checkpoint': None if path is None else Path(path).name,
        'checkpoint_sha256': network.loaded.get('sha256'),
        'device': str(first.device),
        'seed': seed,
        **network.provenance,
        'mmengine': mmengine.__version__,
        'mmcv': mmcv.__version__,
        'mmseg': mmseg.__version__,
    }
