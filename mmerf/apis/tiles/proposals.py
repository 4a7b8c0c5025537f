"""Windows to try: those of the field, and of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ...core.errors import ConfigError
from ..config.dataset_config import innermost_datasets

_MULTIPLE = 32  # px; networks of that stride run on such tiles


def training_crop(cfg: Config) -> tuple[int, int] | None:
    """(H, W) of the crops of a config's training, px.

    Of the last RandomCrop of its training pipeline, else its ``crop_size``.

    Returns:
        tuple[int, int], optional: None if the config states none.
    """
    loader = cfg.get('train_dataloader')
    given: Any = cfg.get('crop_size')
    if isinstance(loader, Mapping) and loader.get('dataset'):
        steps = innermost_datasets(loader['dataset'])[0].get('pipeline') or ()
        for step in steps or cfg.get('train_pipeline') or ():
            if step.get('type') == 'RandomCrop':
                given = step.get('crop_size')
    if isinstance(given, int):
        given = (given, given)
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        return None
    return int(given[0]), int(given[1])


def proposed_windows(
    sides: Mapping[str, float],
    crop: Sequence[int] | None,
    longest: int,
) -> list[int]:
    """Windows as large as the field's squares and as training crops.

    Of the square of 99 % half of the side as well: it cuts images that the
    whole square does not.

    Args:
        sides (mapping): By share, ``'0.5'`` and ``'0.99'``: of the ERF, px.
        crop (tuple[int, int], optional): (H, W) of training crops.
        longest (int): Longest side of an image, px.

    Returns:
        list[int]: Those that cut an image; the field's are the next multiples
        of 32.

    Raises:
        ConfigError: If none cuts an image.

    Example:
        >>> proposed_windows({'0.5': 41, '0.99': 181}, None, 320)
        [64, 96, 192]
    """
    most = sides.get('0.99')
    squares = [*sides.values(), *([most / 2] if most else [])]
    found = {math.ceil(side / _MULTIPLE) * _MULTIPLE for side in squares}
    found |= {min(crop)} if crop else set()
    windows = sorted(side for side in found if side < longest)
    if not windows:
        raise ConfigError(
            'no window is proposed: '
            + (
                f'those of the field ({", ".join(map(str, sorted(found)))} px)'
                f' cut no image of {longest} px'
                if found
                else 'the ERF is zero or not finite'
            )
            + '; give --windows'
        )
    return windows
