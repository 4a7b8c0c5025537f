"""One aten operation of a forward pass, as the rules see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..grid.placed import LOST, Placed, Tag

Outcome = Tag | list[Tag | None] | None
"""A rule's answer: the tag of every output tensor, or a list of one tag per
output; None where the places are not followed."""


@dataclass
class Call:
    """An operation, its arguments and what it returned.

    Of tensors, rules read shapes and tags alone: a later call that has the
    same gets the same answer, and its rule does not run.

    Attributes:
        arguments (dict): By the schema's names, defaults filled in.
        out: What the operation returned.
        tags (dict): By the ids of tensors among the arguments.
    """

    arguments: dict[str, Any]
    out: Any
    tags: dict[int, Tag | None]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def tag_of(self, tensor: Tensor) -> Tag | None:
        """The tag of a tensor among the arguments; None of a constant."""
        return self.tags[id(tensor)]

    def first(self) -> Tensor:
        """The first tensor among the arguments."""
        return next(
            value
            for value in self.arguments.values()
            if isinstance(value, Tensor)
        )

    def placed(self, name: str | None = None) -> Placed | None:
        """The tag of an argument; of the first tensor without a name.

        None if it is a constant, or its places are lost.
        """
        value = self.first() if name is None else self.arguments[name]
        tag = self.tag_of(value) if isinstance(value, Tensor) else None
        return tag if isinstance(tag, Placed) else None

    def output(self) -> Tensor:
        """The first output."""
        out = self.out
        return out[0] if isinstance(out, (tuple, list)) else out


Rule = Callable[[Call], Outcome]


def first_only(tag: Tag | None) -> list[Tag | None]:
    """The tag of the first of several outputs; the others' places are lost."""
    return [tag or LOST]


def pair(value: Any) -> tuple:
    """A number or a list of one or two, as a pair."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * 2 if len(values) == 1 else values
