"""One operation of a forward, as the rules of spans see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .span_memory import BEYOND, NOTHING, SpanMemory, Spans, filled, varies


@dataclass(frozen=True)
class Operation:
    """An operation that has just run.

    Attributes:
        func: The operation.
        arguments (dict[str, Any]): By name, with defaults.
        out (Tensor): Its first output.
        memory (SpanMemory): The spans of tensors so far.
        endless (bool): Whether padding may hide more of the strip.
    """

    func: Any
    arguments: dict[str, Any]
    out: Tensor
    memory: SpanMemory
    endless: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return tuple(self.out.shape)

    @property
    def source(self) -> Tensor:
        """The main input, which operations call ``self`` or ``input``."""
        found = self.arguments.get('self', self.arguments.get('input'))
        if not isinstance(found, Tensor):
            raise ValueError('an operation without a main input')
        return found

    def read(self, tensor: Tensor) -> Spans:
        """Spans of a tensor, of its shape."""
        return self.memory.read(tensor)

    def is_tracked(self, tensor: Tensor) -> bool:
        """Whether a tensor may depend on the input."""
        return self.memory.tracks(tensor)

    def tracked(self) -> list[Tensor]:
        """The arguments that may depend on the input."""
        found = [v for v in self.arguments.values() if isinstance(v, Tensor)]
        return [tensor for tensor in found if self.is_tracked(tensor)]

    def run_on_spans(self, which: int, **changed: Any) -> Tensor:
        """Run the operation with numbers of spans in place of values.

        Args:
            which (int): Which of a span's four numbers.
            **changed: Arguments to be given other values.
        """

        def numbers(name: str, value: Any) -> Any:
            if name in ('index', 'indices', 'repeats'):
                return _on_cpu(value)
            if isinstance(value, Tensor):
                return self.read(value)[which].clone()
            if isinstance(value, (list, tuple)):
                return [numbers(name, item) for item in value]
            return value

        swapped = {k: numbers(k, v) for k, v in self.arguments.items()}
        return self.func(**{**swapped, **changed})

    def outside(self, spans: Spans, dim: int) -> float:
        """What lies in the padding at the ends of a dimension.

        ``BEYOND`` where the dimension follows the axis of a strip, so that a
        longer strip would have more units there.
        """
        along = varies(spans, dim)
        if not along and spans[0].shape[dim] == 1:  # one unit on the strip?
            along = not any(varies(spans, d) for d in range(spans[0].dim()))
        return BEYOND if self.endless and along else NOTHING


def extended(numbers: Tensor, dim: int, ends: tuple, value: float) -> Tensor:
    """Add or, where negative, remove elements at both ends of a dimension."""
    before, after = ends
    size = numbers.shape[dim]
    numbers = numbers.narrow(
        dim, max(-before, 0), size + min(before, 0) + min(after, 0)
    )
    parts = [numbers]
    for count, place in ((before, 0), (after, len(parts) + 1)):
        if count > 0:
            shape = list(numbers.shape)
            shape[dim] = count
            parts.insert(place, filled(shape, value))
    return torch.cat(parts, dim)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, (list, tuple)):
        return [_on_cpu(item) for item in value]
    return value
