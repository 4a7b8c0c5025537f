"""Batch norms folded into the convolutions before them, while measuring.

The model's own parameters are untouched: inside :meth:`Folding.applied` the
convolutions hold folded copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..batch import Forward
from ..errors import one_line
from ..running.afresh import afresh
from ..running.layer_scores import LayerScores
from ..running.memory import is_out_of_memory
from ..running.probes import Recorder
from .pairs import PairFinder

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
        self._pairs = [_folded(conv, norm) for conv, norm in pairs]
        self._made_of = _values_in(self._pairs)
        self.count = len(self._pairs)

    def _renew(self) -> None:
        """Fold once more, if the model's own values are others by now."""
        values = _values_in(self._pairs)
        if not all(map(torch.equal, values, self._made_of)):
            self._pairs = [_folded(*pair[:2]) for pair in self._pairs]
            self._made_of = values

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Fold inside the context; afterwards the model is as it was."""
        before: list[tuple[nn.Module, Any, Any, nn.Module, Any]] = []
        self._renew()
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
        self._pairs, self._made_of, self.count = [], [], 0


def _folded(conv: nn.Conv2d, norm: Any) -> _FoldedPair:
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    weight.requires_grad_(False)
    bias.requires_grad_(False)
    return _FoldedPair(conv, norm, weight, bias)


def _values_in(pairs: Sequence[_FoldedPair]) -> list[Tensor]:
    """What shows whether pairs are made of other values by now.

    Every number of the norms, and torch's count of writes to the kernels with
    the first output channel of each: to compare all would take as long as a
    norm does. torch does not count what a norm in training mode writes.
    """
    numbers, counts = [], []
    for conv, own, *_ in pairs:
        norm: Any = own
        vectors = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        numbers += [vector for vector in vectors if vector is not None]
        numbers += [conv.weight[:1], conv.weight.new_tensor(norm.eps)]
        kernel = conv.weight
        counts += [
            kernel.data_ptr(),
            0 if kernel.is_inference() else kernel._version,
        ]
    if not pairs:
        return []
    with torch.no_grad():
        joined = torch.cat([n.detach().flatten().double() for n in numbers])
    return [joined, torch.tensor(counts)]


def checked_folding(
    model: nn.Module, layers: LayerScores, forward: Forward, images: Tensor
) -> tuple[Folding, str | None]:
    """Fold batch norms, unless an output that is measured changes by it.

    Checked on a crop, and on the whole image where no crop runs. Each forward
    finds the model in the same state.

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
        finder = PairFinder(model, keep)
        if not finder.norms:
            break

        def values(run: Forward, sample: Tensor = sample) -> Recorder:
            recorder, again = Recorder(), afresh(model, run)
            with torch.no_grad():
                layers.again().probe(again, sample, recorder, [0])
            return recorder

        try:
            plain = values(finder.watched(forward))
            folding = Folding(finder.pairs())
            with folding.applied():
                folded = values(forward)
        except Exception as error:  # whatever the model's code raises
            if is_out_of_memory(error):
                raise
            failure = one_line(error, 80)
            continue
        if not all(plain.agrees(folded).values()):
            folding.drop()
        return folding, None
    return Folding(), failure


def _identity(inputs: Tensor) -> Tensor:
    return inputs
