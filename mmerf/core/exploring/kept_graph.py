"""The graph of one forward, kept for many backward passes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from ..errors import MeasurementError
from ..running.memory import SavedStorages, plain_storage


class KeptGraph(SavedStorages):
    """Counts and bounds what a graph keeps, and tells if it was changed.

    Between two backward passes the model belongs to its user, and a buffer
    may be given back its value. So buffers are kept as copies. What is kept as
    it is, such as weights, must not have been written to when it is used.

    Args:
        model (nn.Module): Its parameters and buffers are not counted.
        most_bytes (int, optional): The graph may not keep more; None for no
            bound.

    Example:
        >>> import torch
        >>> from mmerf.core.running.memory import counted
        >>> image = torch.zeros(3, 100, requires_grad=True)
        >>> graph = KeptGraph(nn.Identity())
        >>> with counted(graph):
        ...     _ = image.exp()
        >>> graph.total
        1200
    """

    def __init__(
        self, model: nn.Module, most_bytes: int | None = None
    ) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._weights = _memory_of(model.parameters())
        self._buffers = _memory_of(model.buffers())

    def restart(self) -> None:
        """Count anew: an earlier forward's graph is not kept."""
        self.sizes.clear()

    def add(self, tensor: Tensor) -> tuple[Tensor, int]:
        """Keep a tensor; a buffer as a copy.

        Raises:
            MeasurementError: If the graph keeps more than is allowed.
        """
        places = _memory_of([tensor])
        if places & self._buffers:
            tensor = tensor.detach().clone()
        elif places & self._weights:
            return tensor.detach(), tensor._version
        kept = super().add(tensor)
        most = self._most_bytes
        if most is not None and self.total > most:
            raise MeasurementError(
                f'the graph of this image takes more than {megabytes(most)}, '
                'the most that it may; use a smaller input size, or fewer or '
                'earlier layers'
            )
        return kept

    @staticmethod
    def given_back(kept: tuple[Tensor, int]) -> Tensor:
        """A tensor that was kept.

        Raises:
            MeasurementError: If it has been changed.
        """
        try:
            return SavedStorages.given_back(kept)
        except RuntimeError as error:
            raise MeasurementError(
                "the model's weights, or values that its gradient needs, were "
                'changed since the image was run; open the image again'
            ) from error


def megabytes(count: int) -> str:
    """A number of bytes for a person to read.

    Example:
        >>> megabytes(123_456_789), megabytes(3_210_000_000)
        ('123 MB', '3.2 GB')
    """
    if count >= 1e9:
        return f'{count / 1e9:.1f} GB'
    return f'{count / 1e6:.0f} MB'


def _memory_of(tensors: Iterable[Tensor]) -> set[int]:
    """Where the memory of plain tensors begins."""
    storages = map(plain_storage, tensors)
    return {one.data_ptr() for one in storages if one is not None}
