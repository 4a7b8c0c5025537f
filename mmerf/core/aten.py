"""An aten operation's arguments, as torch's dispatcher hands them over."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


def named_arguments(func: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """An operation's arguments by its schema's names, with their defaults."""
    found = {a.name: a.default_value for a in func._schema.arguments}
    found.update(zip(found, args, strict=False))
    found.update(kwargs)
    return found


def written_to(func: Any, arguments: dict[str, Any]) -> list[Tensor]:
    """The tensors that an operation changes in place.

    Args:
        func: The operation.
        arguments (dict): By name, from ``named_arguments``.
    """
    return tensors_in(
        [
            arguments[a.name]
            for a in func._schema.arguments
            if a.alias_info is not None and a.alias_info.is_write
        ]
    )


def tensors_in(values: Any) -> list[Tensor]:
    """Every tensor in nested lists, tuples and dictionaries."""
    return [v for v in tree_leaves(values) if isinstance(v, Tensor)]
