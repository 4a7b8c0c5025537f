"""Modules that are switched off while a model is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from ..batch import Batch
from ..errors import LayerError
from ..layers.names import Layer
from ..running.afresh import afresh
from ..running.intercept import rerouted
from .requests import find_switches
from .ways import (
    Shown,
    decide_ways,
    direct_tensors,
    single_tensor,
    watch_modules,
)


class SwitchedOff:
    """Modules of a model, and how they are switched off.

    Nothing is changed but how the modules are called, inside
    :meth:`applied`. Which way is right is found in the first forward.

    Args:
        model (nn.Module): The model, without wrappers.
        without (iterable of str, optional): As for ``find_switches``; none
            switches nothing off.

    Attributes:
        ways (dict[str, str]): By module name, ``'zero'`` or ``'identity'``;
            empty before the first batch.

    Raises:
        ConfigError: If a request is malformed.
        LayerError: If a name matches no module.
    """

    def __init__(
        self, model: nn.Module, without: Iterable[str] | None = None
    ) -> None:
        self.model = model
        self.ways: dict[str, str] = {}
        self._switches = find_switches(model, without)
        self._shown: dict[str, Shown] = {}

    @property
    def requested(self) -> bool:
        """Whether any module is to be switched off."""
        return bool(self._switches)

    @property
    def provenance(self) -> dict[str, dict[str, str]]:
        """What a result says of it: ``without``, by module; or nothing."""
        return {'without': dict(self.ways)} if self.ways else {}

    def measurable(self, layers: Sequence[Layer]) -> list[Layer]:
        """The layers that are not inside a module that is switched off.

        Raises:
            LayerError: If one that was named is, or all are.
        """
        inside = {
            module: switch.name
            for switch in self._switches
            for module in switch.module.modules()
            if module is not switch.module
        }
        kept = [la for la in layers if la.module not in inside]
        for layer in layers:
            if layer.module in inside and not (layer.optional and kept):
                raise LayerError(
                    f'{layer.key} is inside {inside[layer.module]}, which is '
                    'switched off; measure a layer outside of it'
                )
        return kept

    @contextmanager
    def applied(self, batch: Batch | None = None) -> Iterator[None]:
        """Switch the modules off inside the context.

        Args:
            batch (Batch, optional): If it is the first, it shows which way
                is right for each module. The model is preserved.

        Raises:
            ConfigError: If a module cannot be switched off.
            LayerError: If it does not run; or a layer has no gradient then:
                the text names the modules.
        """
        if self._switches and not self.ways and batch is not None:
            self._decide(batch)
        with ExitStack() as stack:
            for switch in self._switches:
                if switch.name in self.ways:
                    off = partial(
                        _OFF[self.ways[switch.name]], self._shown[switch.name]
                    )
                    stack.enter_context(rerouted(switch.module, off))
            try:
                yield
            except LayerError as error:
                if not self.ways:
                    raise
                raise type(error)(f'without {self}: {error}') from error

    def _decide(self, batch: Batch) -> None:
        whole = batch.by_place  # it may not run on a part
        images = batch.inputs if whole else batch.inputs[:1]
        images = images.detach().requires_grad_()

        forward = afresh(self.model, batch.forward)

        def run() -> Any:
            return forward(images, range(len(images)))

        self._shown = watch_modules(self._switches, run)
        self.ways = decide_ways(self._switches, self._shown)

    def __str__(self) -> str:
        return ', '.join(f'{name} ({way})' for name, way in self.ways.items())


def _zero(shown: Shown, own: Any, args: tuple, kwargs: dict) -> Any:
    """Zeros of the shape of the output; the inputs stay as they are."""
    with torch.no_grad():
        copies = tree_map_only(Tensor, Tensor.clone, (args, kwargs))
        output = single_tensor(own(*copies[0], **copies[1]))
        assert output is not None, 'it returned one tensor before'
        # Filled, so that tracers see the places and that no image is in it.
        return _like(shown, output.clone().fill_(0))


def _identity_of(shown: Shown, own: Any, args: tuple, kwargs: dict) -> Any:
    """The first input; a copy, which the model may write to."""
    return _like(shown, direct_tensors(args, kwargs)[0].clone())


def _like(shown: Shown, tensor: Tensor) -> Any:
    """A tensor in the place that it had in the module's output."""
    if shown.place is None:
        return tensor
    kind, length, index = shown.place
    return kind(tensor if i == index else None for i in range(length))


_OFF = {'zero': _zero, 'identity': _identity_of}
