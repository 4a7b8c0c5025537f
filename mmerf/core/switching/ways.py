"""How each module is switched off, by what a forward pass shows of it.

The rule: a module whose output is only added to or concatenated with others
is a branch, and its output becomes zero. Any other module is removed: it
returns its input, where that has the shape of its output. Else, or where the
output is a factor, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from ..errors import ConfigError, LayerError
from ..running.intercept import rerouted
from .requests import Switch
from .uses import ADDED, CONCATENATED, MULTIPLIED, UseWatch


@dataclass
class Shown:
    """What a forward pass showed of a module.

    Attributes:
        calls (int): How often it ran.
        uses (set[str]): What was done with its output; see ``UseWatch``.
        no_zero (str, optional): Why its output cannot be zero.
        no_identity (str, optional): Why it cannot return its input.
        unsure (str, optional): Why its input has to be stated.
        place (tuple, optional): Where its tensor is in a tuple or list that
            it returns: the type, its length, the index.
    """

    calls: int = 0
    uses: set[str] = field(default_factory=set)
    no_zero: str | None = None
    no_identity: str | None = None
    unsure: str | None = None
    place: tuple[type, int, int] | None = None


def watch_modules(
    switches: Sequence[Switch], run: Callable[[], Any]
) -> dict[str, Shown]:
    """Run a model once, and see what its modules return and what for.

    Args:
        switches (sequence of Switch): The modules.
        run (callable): Runs the model on images that require a gradient.

    Returns:
        dict[str, Shown]: By name.
    """
    shown = {switch.name: Shown() for switch in switches}
    watch = UseWatch()

    def around(name: str, own: Any, args: tuple, kwargs: dict) -> Any:
        inputs = direct_tensors(args, kwargs)
        before = [(tensor, tuple(tensor.shape)) for tensor in inputs]
        output = own(*args, **kwargs)
        _look_at(shown[name], before, output)
        tensor = single_tensor(output)
        if tensor is not None:
            watch.returned(name, tensor)
        return output

    with ExitStack() as stack:
        for switch in switches:
            stack.enter_context(
                rerouted(switch.module, partial(around, switch.name))
            )
        with watch:
            run()
    for name, uses in watch.uses.items():
        shown[name].uses = uses
    return shown


def decide_ways(
    switches: Sequence[Switch], shown: Mapping[str, Shown]
) -> dict[str, str]:
    """The way of every module that runs: ``'zero'`` or ``'identity'``.

    Raises:
        ConfigError: If neither is right for a module, or the stated one
            cannot be.
        LayerError: If none of them runs, or one does not that was named.
    """
    ways = {}
    for switch in switches:
        if shown[switch.name].calls:
            ways[switch.name] = _way(switch, shown[switch.name])
        elif not switch.optional:
            raise LayerError(
                f'{switch.name} is not run in inference, so it cannot be '
                'switched off there; choose a module that is'
            )
    if not ways:
        raise LayerError(
            'none of the modules to switch off is run in inference, such as '
            f'{switches[0].name}; choose one that is'
        )
    return ways


def _way(switch: Switch, shown: Shown) -> str:
    name, uses = switch.name, shown.uses
    if switch.stated is not None:
        why = shown.no_zero
        if switch.stated == 'identity':
            why = shown.no_identity
        if why is not None:
            raise ConfigError(f'{name} cannot become {switch.stated}: {why}')
        return switch.stated
    if shown.no_zero is not None:
        raise ConfigError(f'{name} cannot be switched off: {shown.no_zero}')
    if uses and uses <= {ADDED, CONCATENATED}:
        return 'zero'
    why = shown.no_identity or shown.unsure
    if uses == {MULTIPLIED}:
        why = 'its output multiplies another tensor'
    if why is None:
        return 'identity'
    stated = 'NAME=zero' if shown.no_identity else 'NAME=zero or NAME=identity'
    raise ConfigError(
        f'{name} is no branch that is only added or concatenated, and {why}; '
        f'state {stated.replace("NAME", name)}'
    )


def _look_at(
    shown: Shown,
    inputs: Sequence[tuple[Tensor, tuple[int, ...]]],
    output: Any,
) -> None:
    """Note one call of a module: its inputs, with their shapes, its output."""
    shown.calls += 1
    tensor = single_tensor(output)
    if tensor is None:
        shown.no_zero = shown.no_identity = (
            f'it returns {_kind(output)}, and only a module that returns one '
            'tensor can be switched off; name one inside it'
        )
        return
    shape = tuple(tensor.shape)
    if not isinstance(output, Tensor):
        index = next(i for i, v in enumerate(output) if v is tensor)
        shown.place = type(output), len(output), index
    if not inputs:
        shown.no_identity = 'no input of it is a tensor'
    elif inputs[0][1] != shape:
        shown.no_identity = (
            f'its output {shape} has not the shape of its first input '
            f'{inputs[0][1]}'
        )
    elif any(
        other is not inputs[0][0] and size == shape for other, size in inputs
    ):
        shown.unsure = (
            'several of its inputs have the shape of its output (identity '
            'returns the first)'
        )


def single_tensor(output: Any) -> Tensor | None:
    """The tensor of an output that is one, or one with None beside it.

    Example:
        >>> import torch
        >>> single_tensor((torch.ones(2), None)).tolist()
        [1.0, 1.0]
    """
    values = output if type(output) in (tuple, list) else [output]
    tensors = [value for value in values if value is not None]
    alone = len(tensors) == 1 and isinstance(tensors[0], Tensor)
    return tensors[0] if alone else None


def direct_tensors(args: tuple, kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors among a call's arguments, not those inside of others."""
    values = [*args, *kwargs.values()]
    return [value for value in values if isinstance(value, Tensor)]


def _kind(output: Any) -> str:
    if type(output) in (tuple, list):
        return f'{len(output)} values'
    return f'a {type(output).__name__}'
