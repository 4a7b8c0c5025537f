"""Time of a validation with and without ERFHook, and of plain passes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmerf.apis.config.config_file import load_config
from mmerf.core.errors import ConfigError, one_line

from .clocks import timed
from .hook_data import photograph_config
from .plain_way import plain_maps

LAYERS = ['backbone[3]', 'decode_head']
THIRD = 2  # the first compiles and plans, the second may still settle


def hook_costs(
    config: str | os.PathLike | None = None,
    validations: int = 4,
    num_images: int = 10,
    clock: str = 'wall',
) -> dict:
    """Seconds of a validation without the hook and with it.

    Args:
        config: With a ``val_dataloader`` whose data are there; None for
            PSPNet on photographs that are made for it, ``num_images`` of
            512 x 1024.
        validations (int): How many after the first, which bears the costs
            that occur once: theoretical fields, and what torch compiles.
        num_images (int): How many the hook measures each time.
        clock (str): ``'wall'`` or ``'cpu'``.

    Returns:
        dict: ``without`` and ``with``, each with ``first`` and ``steady``
        (s), and ``third`` if there was one; the number of ``images``
        measured, and the time per image, ``each`` (s); ``plain``, the
        seconds of as many plain passes over the same layers.

    Raises:
        ConfigError: If the config cannot be validated.
    """
    hook = dict(type='ERFHook', layers=LAYERS, num_images=num_images)
    found: dict[str, Any] = {'images': num_images}
    with tempfile.TemporaryDirectory() as folder:
        if config is None:
            cfg = photograph_config(folder, num_images)
        else:
            cfg = load_config(config)
        for name, hooks in (('without', []), ('with', [hook])):
            work = Path(folder, f'work_{name}')
            runner = _quiet_runner(cfg, str(work), hooks)
            found[name] = _validations(runner, validations, clock)
        found['plain'] = _plain_seconds(runner, num_images, clock)
    extra = found['with']['steady'] - found['without']['steady']
    found['each'] = extra / num_images
    return found


def _quiet_runner(cfg: Config, folder: str, hooks: list) -> Runner:
    """The config with these hooks, one local vis backend, and no worker."""
    cfg = cfg.copy()
    cfg.work_dir, cfg.custom_hooks, cfg.log_level = folder, hooks, 'ERROR'
    cfg.visualizer = dict(
        type='SegLocalVisualizer',
        vis_backends=[dict(type='LocalVisBackend')],
        name=f'visualizer {folder}',
    )
    cfg.experiment_name = f'{os.getpid()} {folder}'.replace(os.sep, '_')
    cfg.val_dataloader.num_workers = 0
    cfg.val_dataloader.persistent_workers = False
    return Runner.from_cfg(cfg)


def _validations(runner: Runner, count: int, clock: str) -> dict[str, float]:
    seconds = []
    try:
        for number in range(count + 1):
            run = runner.val_loop.run if number else runner.val
            seconds.append(timed(run)[0][clock])
    except FileNotFoundError as error:
        raise ConfigError(
            f'{one_line(error)}; make the demo data first: python '
            'tools/make_demo_data.py'
        ) from error
    found = {'first': seconds[0]}
    found['steady'] = float(np.median(seconds[1:] or seconds))
    if count >= THIRD:
        found['third'] = seconds[THIRD]
    return found


def _plain_seconds(runner: Runner, count: int, clock: str) -> float:
    """Seconds of plain passes over the first images of the validation."""
    model = runner.model.eval()
    images: list[Tensor] = []
    for batch in runner.val_dataloader:
        inputs = model.data_preprocessor(batch, False)['inputs']
        images += inputs.split(1)
        if len(images) >= count:
            break

    def read(module: str, output: Any) -> dict[str, Tensor]:
        if module == 'backbone':
            return {'backbone[3]': output[3]}
        return {module: output}

    modules = ['backbone', 'decode_head']
    seconds, _ = timed(
        lambda: plain_maps(model, images[:count], modules, read, model)
    )
    return seconds[clock]
