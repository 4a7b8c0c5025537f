"""The settings of a measurement, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .statistics import SHARES

AMP = ('bfloat16', 'float16')
BY_CLASS = ('prediction', 'label')  # what says which class a pixel is of
ORDERS = ('even', 'first')  # in which images of a dataset are taken


@dataclass(frozen=True)
class MeasurementOptions:
    """What is measured, and how; checked when constructed.

    Attributes:
        layers: Module names, globs and output indices; see
            :func:`mmerf.core.layers.names.find_layers`. None: the model's
            default layers.
        target: A target, its name or import path, ``dict(type=...)``, or a
            list of those, one for each image of a batch; None for the centre
            unit.
        attribution: An attribution, its name or import path, or
            ``dict(type=...)``; None for the positive input gradient.
        shares (sequence of float): Shares that the statistics report, each
            in (0, 1].
        input_size (tuple[int, int], optional): Resize every input to this
            (H, W), bilinear; None keeps its size.
        batch_size (int, optional): Most images in one pass; None for as many
            as memory holds.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``: autocast the
            forward, and measure the first images in float32 as well, so that
            results state the difference. None measures in float32.
        classes (sequence of str, optional): Names of the dataset's classes,
            for targets of classes.
        per_image (bool): Keep each image's maps beside their mean.
        without (sequence of str, optional): Modules that are switched off;
            see :func:`mmerf.core.switching.requests.find_switches`.
        by_class (str, optional): ``'prediction'`` or ``'label'``: also share
            the contributions to each class out over the classes of the
            pixels that they come from; see
            :func:`mmerf.core.by_class.contexts.measure_by_class`.

    Raises:
        ConfigError: If a setting is wrong; says what would be right.

    Example:
        >>> MeasurementOptions(shares=[0.5], input_size=[64, 96]).input_size
        (64, 96)
    """

    layers: Sequence[str | dict] | str | None = None
    target: Any = None
    attribution: Any = None
    shares: Sequence[float] = SHARES
    input_size: Sequence[int] | None = None
    batch_size: int | None = None
    amp: str | None = None
    classes: Sequence[str] | None = None
    per_image: bool = False
    without: Sequence[str] | str | None = None
    by_class: str | None = None

    def __post_init__(self) -> None:
        names = self.classes
        checked = {
            'shares': check_shares(self.shares),
            'input_size': check_size(self.input_size),
            'batch_size': check_batch_size(self.batch_size),
            'amp': check_amp(self.amp),
            'classes': None if names is None else list(names),
            'without': check_without(self.without),
            'by_class': check_by_class(self.by_class),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def check_inputs(inputs: Any) -> None:
    """Raise ConfigError unless inputs are floating-point (N, ..., C, H, W)."""
    from torch import Tensor  # late: the command line needs only names

    if not isinstance(inputs, Tensor) or inputs.dim() < 4:
        shape = tuple(getattr(inputs, 'shape', ())) or type(inputs).__name__
        raise ConfigError(
            f'images have shape (N, C, H, W), not {shape}; clips have '
            '(N, frames, C, H, W), and forward= makes any other structure'
        )
    if not inputs.is_floating_point():
        raise ConfigError(
            f'images are {inputs.dtype}; normalise them to floating point as '
            'the model expects'
        )


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """Shares as floats; raise ConfigError unless all are in (0, 1]."""
    try:
        values = tuple(float(share) for share in shares)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f'shares are numbers, not {shares!r}') from error
    if not values or not all(0 < share <= 1 for share in values):
        raise ConfigError(
            f'shares lie in (0, 1], not {list(values)}; for example 0.5 0.99'
        )
    return values


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """The size; raise ConfigError unless it is (H, W) in pixels, or None."""
    if size is None:
        return None
    values = tuple(size) if isinstance(size, (list, tuple)) else ()
    if len(values) != 2 or not all(
        isinstance(side, int) and side > 0 for side in values
    ):
        raise ConfigError(
            f'input_size is (H, W) in whole pixels, not {size!r}'
        )
    return values[0], values[1]


def check_batch_size(size: int | None) -> int | None:
    """The size; raise ConfigError unless it is whole and >= 1, or None."""
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ConfigError(f'batch_size is a whole number >= 1, not {size!r}')
    return size


def check_amp(amp: str | None) -> str | None:
    """The dtype; raise ConfigError unless it is one of ``AMP``, or None."""
    if amp is not None and amp not in AMP:
        raise ConfigError(
            f'amp is {" or ".join(map(repr, AMP))} or None, not {amp!r}'
        )
    return amp


def check_by_class(by_class: str | None) -> str | None:
    """Return it; ConfigError unless it is one of ``BY_CLASS``, or None."""
    if by_class is not None and by_class not in BY_CLASS:
        raise ConfigError(
            f'by_class is {" or ".join(map(repr, BY_CLASS))} or None, not '
            f'{by_class!r:.40}'
        )
    return by_class


def check_without(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """The names as a tuple; ConfigError unless they are a list of names."""
    if isinstance(names, str):
        return (names,)
    if names is not None and not isinstance(names, (list, tuple)):
        raise ConfigError(
            f'without is a list of module names, not {names!r:.80}'
        )
    return tuple(names or ())
