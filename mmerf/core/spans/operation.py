"""One operation of a forward, as the rules of spans see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .memory import BEYOND, NOTHING, SpanMemory, Spans, varies


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

    def outside(self, spans: Spans, dim: int) -> float | None:
        """What lies in the padding at the ends of a dimension.

        Returns:
            float, optional: Along the axis, ``BEYOND`` on a strip, since a
            longer one would have more units there, and else ``NOTHING``.
            None for the copies of the last elements: across a strip, a wider
            one would have units there with the same spans.
        """
        along = varies(spans, dim)
        if not along and spans[0].shape[dim] == 1:  # one unit on the strip?
            along = not any(varies(spans, d) for d in range(spans[0].dim()))
            along = along and self.endless
        if not along:
            return None
        return BEYOND if self.endless else NOTHING


def extended(
    numbers: Tensor, dim: int, ends: tuple[int, int], value: float | None
) -> Tensor:
    """Add or, where negative, remove elements at both ends of a dimension.

    Args:
        numbers (Tensor): One number of each element's span.
        dim (int): The dimension.
        ends (tuple[int, int]): How many elements before, and after.
        value (float, optional): Of the new elements; None copies the last
            ones.
    """
    size = numbers.shape[dim]
    places = torch.arange(-ends[0], size + ends[1])
    out = taken(numbers, dim, places)
    if value is not None:
        new = (places < 0) | (places >= size)
        shape = [1] * numbers.dim()
        shape[dim] = len(places)
        out = out.masked_fill(new.view(shape), value)
    return out


def taken(numbers: Tensor, dim: int, places: Tensor) -> Tensor:
    """Elements at some places, or at the nearest that there is."""
    return numbers.index_select(dim, places.clamp(0, numbers.shape[dim] - 1))


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, (list, tuple)):
        return [_on_cpu(item) for item in value]
    return value
