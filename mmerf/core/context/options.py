"""The settings of context curves and rankings, checked once."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..attributions import ATTRIBUTIONS
from ..attributions.base import Attribution
from ..attributions.captum import CAPTUM_METHODS
from ..build import build_attribution
from ..errors import ConfigError
from ..options import MeasurementOptions
from .fills import build_fill

DEFAULT_UNITS = {'type': 'UnitGrid', 'rows': 3, 'columns': 3}
RANKED = ('InputGradient', 'Luo', 'SmoothGrad', 'Occlusion')


@dataclass(frozen=True)
class ContextOptions:
    """What is measured, and how; checked when constructed.

    Attributes:
        layer (str): Name of a module, or of one of its outputs; ``'.'`` is
            the model's own output.
        target: Units, as ``build_target`` takes them: a grid, a sample, one
            unit, or a class. None for a grid of 3 x 3.
        fill: A name of ``FILLS``, or a fill.
        threshold (float, optional): A layer with one channel is class 1
            above it; None for the decode head's own, else 0.
        input_size (tuple[int, int], optional): Resize images to this (H, W).
        batch_size (int, optional): Most copies in one pass; None for as many
            as memory holds.
        classes (sequence of str, optional): Names of the classes.
        seed (int): Of every random draw.

    Raises:
        ConfigError: If a setting is wrong; says what would be right.
    """

    layer: str | Mapping = 'decode_head'
    target: Any = None
    fill: Any = 'mean'
    threshold: float | None = None
    input_size: Sequence[int] | None = None
    batch_size: int | None = None
    classes: Sequence[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, 'fill', build_fill(self.fill))
        level = self.threshold
        if level is not None and not math.isfinite(level):
            raise ConfigError(f'threshold is a finite number, not {level!r}')
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f'seed is a whole number >= 0: {self.seed!r}')
        self.measurement()

    def measurement(self, **more: Any) -> MeasurementOptions:
        """The same as options of a measurement of maps."""
        layer = self.layer
        return MeasurementOptions(
            [layer if isinstance(layer, str) else dict(layer)],
            input_size=self.input_size,
            batch_size=self.batch_size,
            classes=self.classes,
            **more,
        )


def ranked_by_default() -> list[str]:
    """Attributions of different methods; Captum's where it is installed."""
    captum = importlib.util.find_spec('captum') is not None
    return [*RANKED, *(['IntegratedGradients'] if captum else [])]


def named_attributions(given: Iterable[Any] | None) -> dict[str, Attribution]:
    """Attributions by the name under which they are ranked.

    Args:
        given (iterable, optional): Names of the table, of Captum's methods
            (``'IntegratedGradients'``), import paths or ``dict(type=...)``;
            None for ``ranked_by_default``.

    Raises:
        ConfigError: If there is none of a name, a name comes twice, or maps
            are no contributions of pixels to a unit.
    """
    found: dict[str, Attribution] = {}
    for spec in ranked_by_default() if given is None else given:
        name = spec
        if isinstance(spec, Mapping):
            name = ', '.join(str(value) for value in spec.values())
        elif not isinstance(spec, str):
            name = type(spec).__name__
        if name in CAPTUM_METHODS and name not in ATTRIBUTIONS:
            spec = {'type': 'Captum', 'method': name}
        if name in found:
            raise ConfigError(f'the attribution {name} is given twice')
        found[name] = build_attribution(spec)
        if found[name].kind != 'erf':
            raise ConfigError(
                f'{name} makes pictures of attention, at the logits of the '
                'model; it has no map of a unit that could be ranked'
            )
    if not found:
        raise ConfigError('give at least one attribution to rank')
    return found
