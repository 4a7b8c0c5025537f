"""Leave a model and the process as they were before a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils import checkpoint

from ..errors import MeasurementError
from .model_state import ModelState
from .process_state import AROUND_CHECKPOINT, process_state
from .restoration import Callback, run_all
from .tensors import Copies

# Attributes that switch on activation checkpointing in mmcv, torchvision,
# transformers and timm. Under it, a block's output has no graph yet.
_CHECKPOINTING = (
    'with_cp',
    'use_checkpoint',
    'gradient_checkpointing',
    'grad_checkpointing',
)
_NO_FLAG = object()


class Between:
    """What passes that follow each other share of what they keep.

    Attributes:
        copies (Copies): Memory for copies of the model's parameters.
        undisturbed (bool): Whether nothing runs between passes: then what one
            has given back is kept for the next without a look at it.
        same (bool): Whether the latest pass kept what the one before did.
    """

    def __init__(self) -> None:
        self.copies = Copies()
        self.undisturbed = self.same = False
        self._state: ModelState | None = None

    @contextmanager
    def nothing_runs(self) -> Iterator[None]:
        """Run passes inside, and nothing else."""
        self.undisturbed = True
        try:
            yield
        finally:
            self.undisturbed = self.same = False
            self._forget()

    def keep(self, model: nn.Module, parameters: bool) -> ModelState:
        """What a model holds now."""
        before, self._state = self._state, None
        self.same = False
        if before is not None:
            self.same = before.keep_again()
            if self.same:
                return before
            self.copies.give_back()
        self.copies.taken.clear()  # after a failure, somebody's yet
        return ModelState(model, parameters, self.copies.of)

    def given_back(self, state: ModelState | None) -> None:
        """Note that a model holds again what was kept of it."""
        self._state = state
        if not self.undisturbed:
            self._forget()

    def _forget(self) -> None:
        self._state = None
        self.copies.give_back()


class Preserved:
    """Measure inside; afterwards everything is as it was, whatever happened.

    Inside, modules are in eval mode (their flag is set: a ``train`` of their
    own may change weights), parameters need no gradient and activation
    checkpointing is off. Afterwards the model has the state it had (see
    ``ModelState``), and the process its random state, modes and switches.

    A signal may arrive between the end of the block and the first line of
    ``__exit__``; so give back once more around it:

        >>> model = nn.Conv2d(3, 4, 1)
        >>> kept = Preserved(model)
        >>> try:
        ...     with kept:
        ...         print(model.weight.requires_grad)
        ... finally:
        ...     kept.give_back()
        False
        >>> model.weight.requires_grad
        True

    Args:
        model (nn.Module): The model, without wrappers.
        parameters (bool): Keep the values of parameters as well: a copy of
            each. Without, for a pass that is known not to write to them.
        between (Between, optional): Shared by passes of one model that follow
            each other.

    Raises:
        MeasurementError: If parameters are sharded over processes (FSDP).
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: bool = True,
        between: Between | None = None,
    ) -> None:
        self._parameters = dict(model.named_parameters())
        _check_not_sharded(self._parameters)
        self.model, self.parameters = model, parameters
        self.between = Between() if between is None else between
        self.state: ModelState | None = None
        self._callbacks: list[Callback] = process_state(
            self._parameters.values()
        )

    @property
    def changed(self) -> list[str]:
        """Afterwards: the parameters whose values had to be given back."""
        return self.state.changed if self.state is not None else []

    def __enter__(self) -> Preserved:
        self.state = self.between.keep(self.model, self.parameters)
        self._callbacks.append(self.state.restore)
        modules = list(self.model.modules())
        flags = [(m, name, getattr(m, name)) for m, name in _flags(modules)]
        self._callbacks.append(lambda: _set_flags(flags))
        # Of reentrant checkpoints, whose output has no graph; the others run
        # their part of the model, with its layers, again.
        checkpoint.CheckpointFunction.apply = staticmethod(  # type: ignore
            lambda function, preserve, *inputs: function(*inputs)
        )
        if hasattr(checkpoint, AROUND_CHECKPOINT):
            setattr(checkpoint, AROUND_CHECKPOINT, _nothing_around)
        _set_flags([
            (module, name, False)
            for module, name, value in flags
            if name == 'training' or value is True
        ])  # fmt: skip
        for parameter in self._parameters.values():
            if not is_lazy(parameter):
                parameter.requires_grad_(False)
        return self

    def __exit__(self, *exc: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give everything back that is not yet; nothing ends it early."""
        run_all(self._callbacks)
        self.between.given_back(self.state)  # not after a failure


def _nothing_around(*args: Any, **kwargs: Any) -> Iterator[None]:
    yield


@contextmanager
def preserved(
    model: nn.Module, parameters: bool = True
) -> Iterator[Preserved]:
    """``Preserved``, with its second giving back."""
    kept = Preserved(model, parameters)
    try:
        with kept:
            yield kept
    finally:
        kept.give_back()


@contextmanager
def state_restored(model: Any) -> Iterator[None]:
    """Run forwards inside; afterwards the model has the state it had.

    So a forward on a crop leaves nothing for one on a whole image to find.
    The values of parameters are not kept: there are many, and ``Preserved``,
    inside which this is used, tells where a forward changes them.

    Args:
        model: The model, without wrappers, or any callable.
    """
    state = ModelState(model, parameters=False)
    try:
        yield
    finally:
        state.restore()


def _check_not_sharded(parameters: Mapping[str, nn.Parameter]) -> None:
    """Refuse FSDP: it gathers weights for its own forwards alone."""
    for name, parameter in parameters.items():
        if type(parameter).__name__ in ('DTensor', 'FlatParameter'):
            raise MeasurementError(
                f'{name} is spread over processes (FSDP), and a layer inside '
                'cannot be measured there; measure a checkpoint with '
                'tools/erf.py'
            )


def _flags(modules: Sequence[nn.Module]) -> Iterator[tuple[Any, str]]:
    for module in modules:
        yield module, 'training'
        for name in _CHECKPOINTING:
            if name in module.__dict__:
                yield module, name


def _set_flags(flags: Sequence[tuple[Any, str, Any]]) -> None:
    """Set those flags that have another value, whatever any of them raises."""
    run_all([
        partial(setattr, owner, name, value)
        for owner, name, value in reversed(flags)
        if getattr(owner, name, _NO_FLAG) is not value
    ])  # fmt: skip
