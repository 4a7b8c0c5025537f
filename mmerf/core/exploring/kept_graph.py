"""The graph of one forward, kept for many backward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from ..errors import MeasurementError

Packed = tuple[Tensor, int]  # a kept tensor and the version that was kept


class KeptGraph:
    """Counts and bounds what a graph keeps, and tells if it was changed.

    Between two backward passes the model belongs to its user, and a buffer
    may be given back its value. So buffers are kept as copies. What is kept as
    it is, such as weights, must not have been written to when it is used.

    Args:
        model (nn.Module): Its parameters and buffers are not counted.
        most_bytes (int, optional): The graph may not keep more; None for no
            bound.

    Attributes:
        total (int): Bytes that the graph keeps; memory that several tensors
            share counts once.

    Example:
        >>> image = torch.zeros(3, 100, requires_grad=True)
        >>> graph = KeptGraph(nn.Identity())
        >>> with graph.saving():
        ...     _ = image.exp()
        >>> graph.total
        1200
    """

    def __init__(
        self, model: nn.Module, most_bytes: int | None = None
    ) -> None:
        self.total, self._most_bytes = 0, most_bytes
        self._weights = _memories(model.parameters())
        self._buffers = _memories(model.buffers())
        self._counted: set[int] = set()

    def saving(self) -> AbstractContextManager:
        """Keep what graphs that are built inside the context save.

        Raises:
            MeasurementError: Inside, once they save more than is allowed;
                in a backward pass, if what was saved has been changed.
        """
        return torch.autograd.graph.saved_tensors_hooks(
            self._pack, self._unpack
        )

    def restart(self) -> None:
        """Count anew: an earlier forward's graph is not kept."""
        self.total = 0
        self._counted.clear()

    def _pack(self, tensor: Tensor) -> Packed:
        kept = tensor.detach()  # of its own graph, it would never be freed
        plain = tensor.layout == torch.strided
        if plain and type(tensor) in (Tensor, nn.Parameter):
            memory = tensor.untyped_storage()
            if memory.data_ptr() in self._buffers:
                kept = kept.clone()
                memory = kept.untyped_storage()
            self._count(memory)
        return kept, kept._version

    def _count(self, memory: torch.UntypedStorage) -> None:
        place = memory.data_ptr()
        if place in self._weights or place in self._counted:
            return
        self._counted.add(place)
        self.total += memory.nbytes()
        most = self._most_bytes
        if most is not None and self.total > most:
            raise MeasurementError(
                f'the graph of this image takes more than {megabytes(most)}, '
                'the most that it may; use a smaller input size, or fewer or '
                'earlier layers'
            )

    def _unpack(self, packed: Packed) -> Tensor:
        kept, version = packed
        if kept._version != version:
            raise MeasurementError(
                "the model's weights, or values that its gradient needs, were "
                'changed since the image was run; open the image again'
            )
        return kept


def megabytes(count: int) -> str:
    """A number of bytes for a person to read.

    Example:
        >>> megabytes(123_456_789), megabytes(3_210_000_000)
        ('123 MB', '3.2 GB')
    """
    if count >= 1e9:
        return f'{count / 1e9:.1f} GB'
    return f'{count / 1e6:.0f} MB'


def _memories(tensors: object) -> set[int]:
    """Where the memory of plain tensors begins."""
    return {
        tensor.untyped_storage().data_ptr()
        for tensor in tensors  # type: ignore[attr-defined]
        if type(tensor) in (Tensor, nn.Parameter)
        and tensor.layout is torch.strided
        and tensor.device.type != 'meta'
    }
