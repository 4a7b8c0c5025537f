"""What a network states about its inputs: size, mean and std."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...core.errors import ConfigError

_OF_8_BITS = (1, 3)  # channels of images that are read as 8 bits
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of images, one per channel.

    Images of one channel (grey) and of three (RGB) are in 0 to 1; others, such
    as those of satellites, are as their files have them.

    Attributes:
        mean, std (tuple of float): ``(x - mean) / std`` is what is run.
        source (str): Where they come from, for a note.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str

    @property
    def is_rgb(self) -> bool:
        """Whether images have red, green and blue."""
        return len(self.mean) == 3

    @property
    def white(self) -> float:
        """What stands for 1 in an image file."""
        return 255.0 if len(self.mean) in _OF_8_BITS else 1.0

    @property
    def scale(self) -> str:
        """The range of images before mean and std, for a note."""
        return 'in 0 to 1' if self.white > 1 else 'as their files have them'


def normalization_of(
    model: nn.Module,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Normalization:
    """The given mean and std, else those that timm keeps, else ImageNet's.

    Args:
        model (nn.Module): May have timm's ``pretrained_cfg``.
        mean, std (sequence of float, optional): See ``Normalization``.

    Raises:
        ConfigError: If one is given without the other, they differ in
            length, or are not of images in 0 to 1.
    """
    check_mean_and_std(mean, std)
    if mean is not None and std is not None:
        return Normalization(tuple(mean), tuple(std), 'given')
    stated = _timm_settings(model)
    if stated.get('mean') and stated.get('std'):
        return Normalization(
            tuple(stated['mean']), tuple(stated['std']), 'pretrained_cfg'
        )
    return Normalization(*_IMAGENET, "ImageNet's, as nothing else is stated")


def numbers_of(values: Any, name: str) -> list[float] | None:
    """Numbers of any sequence as floats; ConfigError if they are none."""
    if values is None:
        return None
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f'{name} is one number per channel, such as [0.5, 0.5, 0.5], '
            f'not {values!r:.80}'
        ) from error


def check_mean_and_std(
    mean: Sequence[float] | None, std: Sequence[float] | None
) -> None:
    """Raise ConfigError unless mean and std fit each other."""
    if mean is None and std is None:
        return
    if mean is None or std is None:
        raise ConfigError('mean and std belong together; give both')
    if len(mean) != len(std) or not mean:
        raise ConfigError(
            f'{len(mean)} mean(s) and {len(std)} std(s); give one of each '
            'per channel of the images'
        )
    if not all(s > 0 for s in std):
        raise ConfigError(f'a std is above 0, not {list(std)}')
    if len(mean) in _OF_8_BITS and max(*map(abs, mean), *std) > 1:
        raise ConfigError(
            f'mean {list(mean)} and std {list(std)} are not of images in 0 '
            'to 1; divide those of images in 0 to 255 by 255'
        )


def fixed_size_of(model: nn.Module) -> tuple[int, int] | None:
    """The (H, W) that a network states for its inputs; None if it does not.

    Stated by timm's ``pretrained_cfg`` (``fixed_input_size``), and by the
    ``config.image_size`` of transformers' models made of patches.
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
