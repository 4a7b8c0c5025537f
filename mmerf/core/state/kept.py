"""What is kept, and the callbacks that give it back; see ``ModelState``."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .restoration import Callback, run_all


class Kept(ABC):
    """Callbacks of the values that were kept; keepers add theirs.

    Args:
        parameters (bool): Keep the values of parameters as well.
        copied (callable): Copies a large tensor.

    Attributes:
        changed (list[str]): After ``restore``: the parameters whose values
            had changed, and were given back.
        small_tensors (list): Found by a walk, to be copied together.
        flags (list): Parameters that it found, and whether each wants a
            gradient.
    """

    def __init__(
        self,
        parameters: bool,
        copied: Callable[[Tensor], Tensor] = torch.clone,
    ) -> None:
        self.parameters, self.copied = parameters, copied
        self.changed: list[str] = []
        self.small_tensors: list[Any] = []
        self.flags: list[tuple[Tensor, bool]] = []
        self._callbacks: list[Callback] = []
        self._left: list[Callback] | None = None  # None before ``restore``
        self._seen: dict[int, Any] = {}  # keeps what was seen alive
        self._replaced: dict[int, Any] = {}

    def restore(self) -> None:
        """Give everything back.

        Every part is given back whatever the others raise; the first error is
        raised afterwards. Called again, it does what was left.
        """
        if self._left is None:
            self._left = list(self._callbacks)
        with torch.no_grad():
            run_all(self._left)

    def keep_again(self) -> bool:
        """After ``restore``: keep the same once more, without a look at it.

        For where nothing has run since.

        Returns:
            bool: False if it is not all the same, since a value could only be
            replaced.
        """
        if self._replaced or self._left != []:
            return False
        self._left = None
        self.changed.clear()
        return True

    @abstractmethod
    def keep(self, value: Any) -> None:
        """Keep what a value holds, if a forward can change it in place."""

    @abstractmethod
    def keep_module(self, module: nn.Module, name: str = '') -> None:
        """Keep a module's attributes, and what they hold; not its children."""

    def keep_every(self, values: Iterable[Any]) -> None:
        """Keep what each of some values holds."""
        for value in values:
            self.keep(value)

    def is_new(self, value: Any) -> bool:
        """Whether a value was not seen before; from now on it was."""
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def on_restore(self, callback: Callback) -> None:
        """Run a callback at the end, after those that are added later."""
        self._callbacks.append(callback)

    def replace(self, value: Any, by: Any) -> None:
        """While restoring: whoever held a value gets another in its place."""
        self._replaced[id(value)] = by

    def now(self, value: Any) -> Any:
        """While restoring: a value, or what replaces it."""
        return self._replaced.get(id(value), value)

    def unchanged(self, value: dict, before: dict) -> bool:
        """Whether a dictionary holds the same objects, in the same order.

        Args:
            value (dict): Now; of a class of its own, perhaps, whose code is
                not run.
            before (dict): What it held, a plain dictionary.
        """
        if self._replaced or len(value) != len(before):
            return False
        if type(value) is dict:
            return all(map(operator.is_, value, before)) and all(
                map(operator.is_, value.values(), before.values())
            )
        return all(
            one is other and dict.__getitem__(value, one) is before[other]
            for one, other in zip(value, before, strict=True)
        )

    def give_back(self, value: dict, before: dict) -> None:
        """Give a dictionary its earlier keys and values, in their order."""
        if self.unchanged(value, before):
            return
        wanted = {key: self.now(item) for key, item in before.items()}
        same = len(value) == len(wanted) and all(
            one is other and dict.__getitem__(value, one) is wanted[other]
            for one, other in zip(value, wanted, strict=True)
        )
        if not same:
            value.clear()
            value.update(wanted)
