"""Captum's methods, called as an attribution. Captum is optional."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import ConfigError
from ..running.layer_scores import LayerScores
from ..targets.base import Target
from .base import Attribution, LayerMaps
from .input_gradient import check_gradient_options, gradient_to_maps


class Captum(Attribution):
    """A method of ``captum.attr`` that takes a function of the input.

    Such as ``'IntegratedGradients'``, ``'InputXGradient'``, ``'Saliency'``,
    ``'FeatureAblation'``, ``'Occlusion'`` or ``'ShapleyValueSampling'``. It
    runs for each score and each image separately, each time with the whole
    forward. Where mmerf has the same method, that is faster.

    Args:
        method (str): Name of the class in ``captum.attr``.
        part, channels, relu: How its signed values become a map, and whether
            the score takes the positive part; as for InputGradient.
        **options: Further arguments of the method's ``attribute``.

    Raises:
        ConfigError: If Captum is not installed, has no such method, or the
            method does not take these options.

    Source: Kokhlikyan et al. 2020, arXiv:2009.07896.
    """

    def __init__(
        self,
        method: str = 'IntegratedGradients',
        part: str = 'positive',
        channels: str = 'sum',
        relu: bool | None = None,
        **options: Any,
    ) -> None:
        check_gradient_options(part, channels)
        self.method, self.options = method, options
        self.part, self.channels, self.relu = part, channels, relu
        try:
            from captum import attr
        except ImportError as error:
            raise ConfigError(
                'Captum is not installed; pip install captum, or choose an '
                'attribution of mmerf'
            ) from error
        self._method: Any = getattr(attr, method, None)
        if not isinstance(self._method, type):
            raise ConfigError(f'captum.attr has no method {method!r}')

    @property
    def definition(self) -> str:
        """Description of how the map is made."""
        given = ', '.join(f'{k}={v}' for k, v in self.options.items())
        return (
            f'captum.attr.{self.method}({given}), {self.part} part, '
            f'{self.channels} over input channels'
        )

    def __call__(
        self,
        forward: Forward,
        inputs: Tensor,
        target: Target,
        layers: LayerScores,
    ) -> list[LayerMaps]:
        """Per-image maps of every score; see InputGradient."""
        with torch.no_grad():
            clean = layers.read(forward, inputs.clone(), target)
        found = []
        for key, part in clean.items():
            maps = inputs.new_zeros(len(inputs), *inputs.shape[-2:])
            for position in part.pixels:

                def score(
                    copies: Tensor, key: str = key, position: int = position
                ) -> Tensor:
                    positions = [position] * len(copies)
                    parts = layers.read(
                        forward, copies.clone(), target, positions
                    )
                    return parts[key].scores

                image = inputs[position : position + 1].detach().clone()
                values = self._attribute(score, image)
                rows = gradient_to_maps(values, self.part, self.channels)
                maps[position] = rows[0]
            found.append(
                LayerMaps(part.detached(), maps if part.pixels else None)
            )
        return found

    def _attribute(self, score: Callable, image: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # one about requires_grad
            try:
                method = self._method(score)
                return method.attribute(image, **self.options).detach()
            except (TypeError, AssertionError, NotImplementedError) as error:
                text = ' '.join(str(error).split())
                raise ConfigError(
                    f'captum.attr.{self.method}: {text[:200]}'
                ) from error
