"""The operations of a forward, in order, with what each reads and makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..aten import (
    AtenMode,
    named_arguments,
    storage_of,
    tensors_in,
    written_to,
)
from ..errors import one_line
from .regions import Memories, Region

MANY_OPERATIONS = 5_000  # of a forward; HRNet-W48 has about 2,000


@dataclass(frozen=True)
class Recorded:
    """An operation of a forward that was recorded.

    Attributes:
        signature: Equal for an operation that does the same on tensors of
            the same shapes; see ``signature_of``.
        name (str): As aten calls it, such as ``'convolution'``.
        pointwise (bool): Whether torch says that it works place by place.
        arguments (dict[str, Any]): By name; regions in place of tensors.
        reads (list of Region): What it reads.
        writes (list of Region): What it changes in place.
        makes (list of Region): What it has made.
        strides (tuple[int, ...], optional): Of what it has made first.
        is_view (bool): Whether it only shows what was there.
    """

    signature: tuple
    name: str
    pointwise: bool
    arguments: dict[str, Any]
    reads: list[Region]
    writes: list[Region]
    makes: list[Region]
    strides: tuple[int, ...] | None
    is_view: bool


class Recording(AtenMode):
    """Records the operations that run inside.

    Attributes:
        operations (list of Recorded): In the order in which they ran.
        results (list of Region): What the forward has returned.
        error (str, optional): Why the record cannot be used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.start()

    def start(self) -> None:
        """Forget what was recorded."""
        self.operations: list[Recorded] = []
        self.results: list[Region] = []
        self.error: str | None = None
        self._memories = Memories()

    def returned(self, output: Any) -> None:
        """Note what the forward has returned, which may be read later."""
        try:
            self.results = [
                self._memories.region_of(t) for t in tensors_in(output)
            ]
        except ValueError as error:
            self.error = one_line(error, 80)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        signature = signature_of(func, args, kwargs)
        out = func(*args, **kwargs)
        if self.error is None:
            try:
                made = self._operation(func, args, kwargs, out, signature)
                self.operations.append(made)
            except Exception as error:  # a record must not end a forward
                self.error = one_line(error, 80)
            if len(self.operations) > MANY_OPERATIONS:
                self.error = f'more than {MANY_OPERATIONS:,} operations'
                self.operations = []
        return out

    def _operation(
        self, func: Any, args: tuple, kwargs: dict, out: Any, signature: tuple
    ) -> Recorded:
        arguments = named_arguments(func, args, kwargs)
        inputs = tensors_in(arguments)
        addresses = {storage_of(tensor) for tensor in inputs}
        region_of = self._memories.region_of
        regions = _with_regions(arguments, region_of)
        reads = [region_of(tensor) for tensor in inputs]
        changed = written_to(func, arguments)
        outputs = tensors_in(out)
        fresh = [t for t in outputs if storage_of(t) not in addresses]
        return Recorded(
            signature,
            func._schema.name.partition('::')[2].removesuffix('_'),
            torch.Tag.pointwise in func.tags,
            regions,
            reads,
            [region_of(tensor) for tensor in changed],
            [self._memories.made(tensor) for tensor in fresh],
            tuple(fresh[0].stride()) if fresh else None,
            bool(outputs) and not changed and not fresh,
        )


def signature_of(func: Any, args: tuple, kwargs: dict) -> tuple:
    """What an operation does: itself, numbers, and shapes of tensors."""
    return func, _signature(args), _signature(kwargs)


def _signature(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, (list, tuple)):
        return tuple(map(_signature, value))
    if isinstance(value, dict):
        return tuple((key, _signature(one)) for key, one in value.items())
    return value


def _with_regions(value: Any, region_of: Any) -> Any:
    if isinstance(value, Tensor):
        return region_of(value)
    if isinstance(value, (list, tuple)):
        return [_with_regions(one, region_of) for one in value]
    if isinstance(value, dict):
        return {k: _with_regions(one, region_of) for k, one in value.items()}
    return value
