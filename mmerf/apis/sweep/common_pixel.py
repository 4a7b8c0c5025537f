"""One input pixel that lies in the images of all combinations of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from ...core.errors import ConfigError, ERFError
from ...engine.selection import chosen_indices
from ..config.config_file import load_config
from ..images.open_images import open_images
from ..module.network import build_network
from .vary import Combination


def common_middle(
    cfg: Config,
    every: Sequence[Combination],
    size: tuple[int, int] | None,
    *images: Any,
    trust: bool = False,
) -> tuple[int, int]:
    """The middle pixel of the smallest image or window of all combinations.

    Args:
        cfg (Config): Before a combination's options are applied.
        every (sequence of Combination): All combinations.
        size (tuple[int, int], optional): (H, W) to which every image is
            resized; None if they are not.
        *images: ``img_dir, num_images, order``, as
            :func:`mmerf.apis.run_erf` takes them.
        trust (bool): Load a module's file that may run code.

    Returns:
        tuple[int, int]: Row and column, in input pixels.

    Raises:
        ERFError: If no combination has an image; the reason of the first.
    """
    size = size or _smallest(cfg, every, trust, *images)
    for combination in every:
        size = _window_size(cfg, combination, size)
    return size[0] // 2, size[1] // 2


def _smallest(
    cfg: Config, every: Sequence[Combination], trust: bool, *images: Any
) -> tuple[int, int]:
    """Smallest height and width of the images of all combinations."""
    outside = [
        {k: v for k, v in c.options.items() if k.split('.')[0] != 'model'}
        for c in every
    ]
    sizes: list[tuple[int, int]] = []
    failures: list[ERFError] = []
    for options in {repr(given): given for given in outside}.values():
        try:
            sizes += _sizes(load_config(cfg, options), trust, *images)
        except ERFError as error:  # reported again when it is measured
            failures.append(error)
    if not sizes:
        raise failures[0]
    return min(h for h, _ in sizes), min(w for _, w in sizes)


def _sizes(
    cfg: Config, trust: bool, img_dir: Any, num_images: int, order: str
) -> list[tuple[int, int]]:
    """Heights and widths of the images after the pipeline."""
    if cfg.get('module'):  # it may state the size of its inputs
        fixed = build_network(cfg, trust_checkpoint=trust).fixed_size
        if fixed is not None:
            return [fixed]
    source = open_images(cfg, img_dir)
    indices = chosen_indices(len(source.paths), num_images, order)
    sizes = [
        tuple(batch['inputs'][0].shape[-2:])
        for batch in source.batches(indices, 1)
    ]
    if not sizes:
        raise ConfigError(f'no image of {source.where} can be read')
    return sizes


def _window_size(
    cfg: Config, combination: Combination, size: tuple[int, int]
) -> tuple[int, int]:
    """A size, or that of a combination's sliding windows if smaller."""
    try:
        test_cfg = load_config(cfg, combination.options).model.test_cfg
        crop = test_cfg['crop_size'] if test_cfg['mode'] == 'slide' else size
        return min(size[0], crop[0]), min(size[1], crop[1])
    except (ERFError, AttributeError, KeyError, TypeError):
        return size  # reported when the combination is measured
