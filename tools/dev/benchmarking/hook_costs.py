"""Time of a validation with and without ERFHook."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from mmerf.apis.config.config_file import load_config
from mmerf.core.errors import ConfigError, one_line

LAYERS = ['backbone[3]', 'decode_head']


def hook_costs(
    config: str | os.PathLike, validations: int = 4, num_images: int = 20
) -> dict:
    """Seconds of a validation without the hook and with it.

    Args:
        config: With a ``val_dataloader`` whose data are there.
        validations (int): How many after the first, which bears the costs
            that occur once: theoretical fields, and what torch compiles.
        num_images (int): How many the hook measures each time.

    Returns:
        dict: ``without`` and ``with``, each with ``first`` and ``steady``
        (s), the number of ``images`` measured, and the time per image,
        ``each`` (s).

    Raises:
        ConfigError: If the config cannot be validated.
    """
    hook = dict(type='ERFHook', layers=LAYERS, num_images=num_images)
    found: dict[str, Any] = {'images': num_images}
    for name, hooks in (('without', []), ('with', [hook])):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = _seconds(_quiet(config, folder, hooks), validations)
    extra = found['with']['steady'] - found['without']['steady']
    found['each'] = extra / num_images
    return found


def _quiet(config: str | os.PathLike, folder: str, hooks: list) -> Config:
    """The config with these hooks, one local vis backend, and no worker."""
    cfg = load_config(config)
    cfg.work_dir, cfg.custom_hooks, cfg.log_level = folder, hooks, 'ERROR'
    cfg.visualizer = dict(
        type='SegLocalVisualizer',
        vis_backends=[dict(type='LocalVisBackend')],
        name=f'visualizer {folder}',
    )
    cfg.experiment_name = os.path.basename(folder)
    cfg.val_dataloader.num_workers = 0
    cfg.val_dataloader.persistent_workers = False
    return cfg


def _seconds(cfg: Config, validations: int) -> dict[str, float]:
    try:
        runner = Runner.from_cfg(cfg)
        seconds = []
        for number in range(validations + 1):
            began = time.perf_counter()
            runner.val_loop.run() if number else runner.val()
            seconds.append(time.perf_counter() - began)
    except FileNotFoundError as error:
        raise ConfigError(
            f'{one_line(error)}; make the demo data first: python '
            'tools/make_demo_data.py'
        ) from error
    return {'first': seconds[0], 'steady': float(np.median(seconds[1:]))}
