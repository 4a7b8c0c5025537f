"""What a network states about its inputs: size, mean and std."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...core.errors import ConfigError

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of images in 0 to 1, one per channel.

    Attributes:
        mean, std (tuple of float): ``(x - mean) / std`` is what is run.
        source (str): Where they come from, for a note.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str


def normalization_of(
    model: nn.Module,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Normalization:
    """The given mean and std, else those that timm keeps, else ImageNet's.

    Args:
        model (nn.Module): May have timm's ``pretrained_cfg``.
        mean, std (sequence of float, optional): Of images in 0 to 1.

    Raises:
        ConfigError: If one is given without the other, they differ in
            length, or are not of images in 0 to 1.
    """
    if (mean is None) != (std is None):
        raise ConfigError('mean and std belong together; give both')
    if mean is not None and std is not None:
        check_normalization(mean, std)
        return Normalization(tuple(mean), tuple(std), 'given')
    stated = _timm_settings(model)
    if stated.get('mean') and stated.get('std'):
        return Normalization(
            tuple(stated['mean']), tuple(stated['std']), 'pretrained_cfg'
        )
    return Normalization(*_IMAGENET, "ImageNet's, as nothing else is stated")


def check_normalization(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ConfigError unless mean and std fit each other."""
    if len(mean) != len(std) or not mean:
        raise ConfigError(
            f'{len(mean)} mean(s) and {len(std)} std(s); give one of each '
            'per channel of the images'
        )
    if not all(-1 <= m <= 1 for m in mean) or not all(0 < s <= 1 for s in std):
        raise ConfigError(
            f'mean {list(mean)} and std {list(std)} are not of images in 0 '
            'to 1; divide those of images in 0 to 255 by 255'
        )


def fixed_size_of(model: nn.Module) -> tuple[int, int] | None:
    """The one (H, W) that a network says it runs at; None if it says none.

    Said by timm's ``pretrained_cfg`` (``fixed_input_size``), and by the
    ``config.image_size`` of transformers' models with a position per patch.
    """
    settings = _timm_settings(model)
    size = settings.get('input_size')
    if settings.get('fixed_input_size') and size is not None:
        return int(size[-2]), int(size[-1])
    config = getattr(model, 'config', None)
    size = getattr(config, 'image_size', None)
    if hasattr(config, 'patch_size') and isinstance(size, int):
        return size, size
    return None


def _timm_settings(model: nn.Module) -> Mapping[str, Any]:
    found = getattr(model, 'pretrained_cfg', None)
    return found if isinstance(found, Mapping) else {}
