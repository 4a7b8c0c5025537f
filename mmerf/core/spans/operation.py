"""One operation of a forward, as the rules of spans see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .memory import SpanMemory, Spans


@dataclass(frozen=True)
class Operation:
    """An operation that has just run.

    Attributes:
        func: The operation.
        arguments (dict[str, Any]): By name, with defaults.
        outputs (list of Tensor): What it has made, or written to.
        memory (SpanMemory): The spans of tensors so far.
        endless (bool): Whether padding may hide more of the strip.
    """

    func: Any
    arguments: dict[str, Any]
    outputs: list[Tensor]
    memory: SpanMemory
    endless: bool

    @property
    def out(self) -> Tensor:
        """Its first output."""
        return self.outputs[0]

    @property
    def counted(self) -> range:
        """The places of a span's numbers."""
        return range(self.memory.count)

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
            which (int): Which of a span's numbers.
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


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, (list, tuple)):
        return [_on_cpu(item) for item in value]
    return value
