"""Batch norms folded into the convolutions before them, while measuring.

Which batch norm follows which convolution is observed in a forward pass, not
guessed from names. The model's own parameters are untouched: inside
:meth:`Folding.applied` the convolutions hold folded copies.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..batch import Forward
from ..errors import ERFError, one_line
from ..running.intercept import is_rerouted
from ..running.layer_scores import LayerScores
from ..running.probes import Recorder

FOLDING_CROP = 128  # px, the side of the crop on which folding is checked
_NO_FORWARD = object()


class _FoldedPair(NamedTuple):
    conv: nn.Conv2d
    norm: nn.Module
    weight: Tensor
    bias: Tensor


class Folding:
    """Convolutions of a model with the batch norms that follow them.

    Args:
        pairs (sequence): Each convolution, and its batch norm.

    Attributes:
        count (int): How many batch norms can be folded.
    """

    def __init__(self, pairs: Sequence[tuple[nn.Conv2d, Any]] = ()) -> None:
        self._pairs = [
            _FoldedPair(
                conv,
                norm,
                *fuse_conv_bn_weights(
                    conv.weight,
                    conv.bias,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                ),
            )
            for conv, norm in pairs
        ]
        for pair in self._pairs:
            pair.weight.requires_grad_(False)
            pair.bias.requires_grad_(False)
        self.count = len(self._pairs)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Fold inside the context; afterwards the model is as it was."""
        before: list[tuple[nn.Module, Any, Any, nn.Module, Any]] = []
        try:
            for conv, norm, weight, bias in self._pairs:
                own: dict[str, Any] = conv._parameters
                forward = norm.__dict__.get('forward', _NO_FORWARD)
                before.append(
                    (conv, own['weight'], own['bias'], norm, forward)
                )
                own['weight'], own['bias'] = weight, bias
                norm.__dict__['forward'] = _identity
            yield
        finally:
            for owner, own_weight, own_bias, bypassed, forward in before:
                owner._parameters['weight'] = own_weight
                owner._parameters['bias'] = own_bias
                if forward is _NO_FORWARD:
                    bypassed.__dict__.pop('forward', None)
                else:
                    bypassed.__dict__['forward'] = forward

    def drop(self) -> None:
        """Fold nothing from now on."""
        self._pairs, self.count = [], 0


def checked_folding(
    model: nn.Module, layers: LayerScores, forward: Forward, images: Tensor
) -> tuple[Folding, str | None]:
    """Fold batch norms, unless an output that is measured changes by it.

    Checked on a crop, and on the whole image where no crop runs.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        forward (callable): Runs the model.
        images (Tensor): Shape (N, C, H, W).

    Returns:
        tuple: The folding, and why the model could not be run; None if it
        could.
    """
    keep = {layer.module for layer in layers.layers}
    failure = None
    for side in (FOLDING_CROP, None):
        sample = images[:1, :, :side, :side]
        plain, folded = Recorder(), Recorder()

        def run(sample: Tensor = sample, to: Recorder = plain) -> None:
            with torch.no_grad():
                layers.again().probe(forward, sample, to, [0])

        finder = PairFinder(model, keep)
        if not finder.norms:
            break
        try:
            with finder.watching():
                run()
            folding = Folding(finder.pairs())
            with folding.applied():
                run(to=folded)
        except ERFError as error:
            failure = one_line(error, 80)
            continue
        if not all(plain.agrees(folded).values()):
            folding.drop()
        return folding, None
    return Folding(), failure


def _identity(inputs: Tensor) -> Tensor:
    return inputs


class PairFinder:
    """Observes which batch norm is called on a convolution's own output.

    Args:
        model (nn.Module): In eval mode.
        keep (set of nn.Module): Modules whose own output is measured: they
            are not folded.
    """

    def __init__(self, model: nn.Module, keep: set[nn.Module]) -> None:
        self.convs = [
            m
            for m in model.modules()
            if isinstance(m, nn.Conv2d)
            and m not in keep
            and m._parameters.get('weight') is not None
            and not is_lazy(m.weight)
            and not (_sees_gradients(m) or is_rerouted(m))
        ]
        self.norms = [
            m
            for m in model.modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm)
            and m not in keep
            and m.running_mean is not None
            and not is_lazy(m.running_mean)
            and not (_sees_gradients(m) or is_rerouted(m))
        ]
        self.calls: dict[nn.Module, int] = {}
        self.conv_before: dict[nn.Module, nn.Conv2d] = {}
        self._latest: list[tuple[nn.Conv2d, Any]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on every convolution and batch norm, gone afterwards."""
        handles = []
        try:
            for conv in self.convs:
                handles.append(
                    conv.register_forward_hook(self._on_conv_output)
                )
            for norm in self.norms:
                handles.append(
                    norm.register_forward_pre_hook(self._on_norm_input)
                )
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _on_conv_output(self, conv: Any, inputs: Any, output: Any) -> None:
        self.calls[conv] = self.calls.get(conv, 0) + 1
        self._latest.append((conv, weakref.ref(output)))

    def _on_norm_input(self, norm: Any, inputs: Any) -> None:
        self.calls[norm] = self.calls.get(norm, 0) + 1
        for conv, output in reversed(self._latest):
            if output() is inputs[0]:
                self.conv_before[norm] = conv
                break

    def pairs(self) -> list[tuple[nn.Conv2d, Any]]:
        """Convolution and batch norm, where both run once in a forward."""
        return [
            (conv, norm)
            for norm, conv in self.conv_before.items()
            if self.calls[norm] == 1 == self.calls[conv]
        ]


def _sees_gradients(module: nn.Module) -> bool:
    """Whether backward hooks would see the gradient that folding scales."""
    return bool(module._backward_hooks or module._backward_pre_hooks)
