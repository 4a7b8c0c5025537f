"""Batch norms folded into the convolutions before them, while measuring.

The model's own parameters are untouched: inside :meth:`Folding.applied` the
convolutions hold folded copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
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
from .cancelling import may_cancel
from .pairs import PairFinder, is_foldable

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
        model (nn.Module): That holds them.
        pairs (sequence): Each convolution, and its batch norm.

    Attributes:
        count (int): How many batch norms can be folded.
    """

    def __init__(
        self,
        model: nn.Module,
        pairs: Sequence[tuple[nn.Conv2d, Any]] = (),
    ) -> None:
        self.model = model
        self._fold(pairs)

    def _fold(self, pairs: Sequence[tuple[nn.Conv2d, Any]]) -> None:
        self._pairs = [
            _folded(*pair) for pair in pairs if not may_cancel(*pair)
        ]
        self._made_of = _values_in(self._pairs)
        self.count = len(self._pairs)

    def renew(self) -> bool:
        """Fold anew if the model's values are others by now.

        Returns:
            bool: False if its modules are, or got hooks: nothing is folded
            from then on.
        """
        modules = set(self.model.modules()) if self._pairs else set()
        both = [each for pair in self._pairs for each in pair[:2]]
        if not all(m in modules and is_foldable(m) for m in both):
            self.drop()
            return False
        values = _values_in(self._pairs)
        if not all(map(_equal, values, self._made_of)):
            self._fold([pair[:2] for pair in self._pairs])
        return True

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


def _values_in(pairs: Sequence[_FoldedPair]) -> list[Any]:
    """What shows whether pairs are made of other values by now.

    Every number of the norms, and of each kernel its sum and a sum with random
    weights, which knows where values lie: to compare all would take as long as
    a norm does. torch does not count what a norm in training mode writes, nor
    what is written through ``.data``.
    """
    found: list[Any] = []
    with torch.no_grad():
        for conv, own, *_ in pairs:
            norm: Any = own
            for vector in (
                norm.running_mean, norm.running_var,
                norm.weight, norm.bias, conv.bias,
            ):  # fmt: skip
                found.append(None if vector is None else vector.clone())
            kernel = conv.weight.float().flatten(1)
            rows, columns = (
                _random_numbers(n, dim).to(kernel.device)
                for dim, n in enumerate(kernel.shape)
            )
            found += [kernel.sum(), rows @ kernel @ columns]
            found.append(norm.eps)
    return found


@lru_cache(64)
def _random_numbers(count: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    numbers = torch.empty(count, dtype=torch.float32, device='cpu')
    return numbers.normal_(generator=draw)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and one == other


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
            with torch.enable_grad():  # code may ask whether it is enabled
                leaf = sample.clone().requires_grad_()
                layers.again().probe(again, leaf, recorder, [0])
            return recorder

        try:
            plain = values(finder.watched(forward))
            folding = Folding(model, finder.pairs())
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
    return Folding(model), failure


def _identity(input: Tensor) -> Tensor:
    return input if torch.is_grad_enabled() else input.detach()
