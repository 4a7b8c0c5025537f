"""Captum's methods, called as an attribution. Captum is optional."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import ConfigError, ERFError, one_line
from ..gradient.mended_backward import MendedBackward
from ..running.layer_scores import LayerScores
from ..running.memory import is_out_of_memory
from ..targets.base import Target
from .base import Attribution, LayerMaps
from .input_gradient import check_gradient_options, gradient_to_maps

# Those of Captum 0.9; Lime and KernelShap need scikit-learn.
CAPTUM_METHODS = (
    'IntegratedGradients',
    'InputXGradient',
    'Saliency',
    'GradientShap',
    'FeatureAblation',
    'Occlusion',
    'ShapleyValueSampling',
    'ShapleyValues',
    'Lime',
    'KernelShap',
)
# Why a method does not serve, by an argument that its constructor requires.
_REFUSED_ARGUMENTS = {
    'layer': (
        'it attributes to, or through, a layer that its constructor takes; '
        'here layers are named by layers=[...]'
    ),
    'model': (
        'it hooks the modules of a whole model, and here the score is a '
        'function of the images'
    ),
    'attr_method': 'it wraps another method',
    'attribution_method': (
        'it wraps another method; SmoothGrad of mmerf averages over noise'
    ),
    'interpretable_model': 'it is the base of Lime, which serves',
}
_REFUSED_NAMES = {
    'FeaturePermutation': (
        'it exchanges features between the images of a batch, and here every '
        'image is attributed alone'
    ),
}


class Captum(Attribution):
    """A method of ``captum.attr`` that takes a function of the input.

    Those in ``CAPTUM_METHODS``: the gradients (``'IntegratedGradients'``,
    ``'Saliency'``, ...) and the perturbations (``'Occlusion'``, ...). It
    runs for each score and each image separately, each time with the whole
    forward. Where mmerf has the same method, that is faster.

    Args:
        method (str): Name of the class in ``captum.attr``.
        part, channels, relu: How its signed values become a map, and whether
            the score takes the positive part; as for InputGradient.
        **options: Further arguments of the method's ``attribute``.

    Raises:
        ConfigError: If Captum is not installed, has no such method, or the
            method cannot serve or does not take these options.

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
        if not hasattr(self._method, 'attribute'):
            raise ConfigError(
                f'captum.attr has no method {method!r:.80}; those that serve '
                f'are {", ".join(CAPTUM_METHODS)}'
            )
        reason = _why_refused(self._method)
        if reason is not None:
            raise ConfigError(
                f'captum.attr.{method} cannot serve: {reason}; those that '
                f'serve are {", ".join(CAPTUM_METHODS)}'
            )

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
        try:
            with warnings.catch_warnings(), MendedBackward():
                warnings.simplefilter('ignore')  # one about requires_grad
                values = self._method(score).attribute(image, **self.options)
        except Exception as error:  # whatever a method raises at its options
            if isinstance(error, ERFError) or is_out_of_memory(error):
                raise
            raise ConfigError(
                f'captum.attr.{self.method}: {type(error).__name__}: '
                f'{one_line(error, 200)}'
            ) from error
        if not isinstance(values, Tensor) or values.shape != image.shape:
            raise ConfigError(
                f'captum.attr.{self.method} with these options gives no '
                "values of the image's shape; leave out options that change "
                'what it returns, such as return_convergence_delta'
            )
        return values.detach()


def _why_refused(method: Any) -> str | None:
    """Why a method of Captum cannot serve, or None."""
    if method.__name__ in _REFUSED_NAMES:
        return _REFUSED_NAMES[method.__name__]
    required = [
        name
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty
    ]
    for name in required:
        if name in _REFUSED_ARGUMENTS:
            return _REFUSED_ARGUMENTS[name]
    if len(required) != 1:  # the function of the input
        return f'its constructor takes {", ".join(required)}'
    return None
