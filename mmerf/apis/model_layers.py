"""Config -> the layers that can be measured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config

from ..core.errors import ConfigError, LayerError, one_line
from ..core.options import check_size
from ..core.running.list_layers import ListedLayer, list_layers
from ..engine.batches.prepare_batch import prepare_tensor
from .config.config_file import load_config
from .module.network import build_network

_SIZE = (512, 512)  # of the image, if the config has no crop size


def layers_from_config(
    config: str | os.PathLike | Config,
    pattern: str | None = None,
    *,
    input_size: Sequence[int] | None = None,
    device: str | None = None,
    cfg_options: Mapping | None = None,
    trust_checkpoint: bool = False,
) -> list[ListedLayer]:
    """Every layer output that can be measured in a config's model.

    Found by one forward pass on an image of zeros; no data is needed.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        pattern (str, optional): Glob over module names.
        input_size (tuple[int, int], optional): (H, W) of that image;
            None for the config's crop size.
        device (str, optional): None for CUDA where there is one, else CPU.
        cfg_options (mapping, optional): Settings to override, by dotted key.
        trust_checkpoint (bool): Load a module's file that may run code.

    Raises:
        ConfigError: If the config cannot be read, or its model cannot be
            built or run.
        LayerError: If no layer matches the pattern.
    """
    cfg = load_config(config, cfg_options)
    network = build_network(
        cfg,
        device=device,
        trust_checkpoint=trust_checkpoint,
        pretrained=False,
    )
    size = network.size(check_size(input_size)) or _input_size(cfg)
    image = torch.zeros(1, network.channels or _input_channels(cfg), *size)
    batch = prepare_tensor(network.model, image, ['auxiliary_head'])
    try:
        layers = list_layers(
            network.model, batch.inputs, batch.forward, pattern
        )
    except Exception as error:  # the model's code may raise anything
        raise ConfigError(
            f'the model does not run on a {size[0]} x {size[1]} image: '
            f'{one_line(error)}; give another with --input-size H W'
            + (
                ', or its channels by --mean and --std'
                if network.channels
                else ''
            )
        ) from error
    if not layers:
        raise LayerError(
            f'no layer that runs in inference matches {pattern!r}; '
            "try 'backbone.*' or '**'"
        )
    return layers


def _input_size(cfg: Config) -> tuple[int, int]:
    model = cfg.get('model') or {}
    preprocessor: Any = model.get('data_preprocessor') or {}
    boxes = [step.get('scale') for step in cfg.get('test_pipeline') or []
             if step.get('type') == 'Letterbox']  # fmt: skip
    if boxes:
        return int(boxes[0][1]), int(boxes[0][0])
    for size in (cfg.get('crop_size'), preprocessor.get('size')):
        if isinstance(size, (tuple, list)) and len(size) == 2:
            return int(size[0]), int(size[1])
    return _SIZE


def _input_channels(cfg: Config) -> int:
    preprocessor: Any = cfg.model.get('data_preprocessor') or {}
    backbone: Any = cfg.model.get('backbone') or {}
    mean = preprocessor.get('mean')
    return int(backbone.get('in_channels') or (len(mean) if mean else 3))
