"""One of several inputs is attributed; the others are held as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..batch import Forward
from ..running.layer_scores import LayerScores
from ..targets.base import Part, Target


class OneInput(LayerScores):
    """Reads the layers of a model that is handed one of its inputs.

    Args:
        layers (LayerScores): Reads them from all inputs.
        inputs (Tensor): All inputs, joined: shape (N, ..., C, H, W).
        channels (slice): Those of the one input.
    """

    def __init__(
        self, layers: LayerScores, inputs: Tensor, channels: slice
    ) -> None:
        super().__init__(layers.layers, layers.front, layers.calls)
        self.all_layers, self.inputs = layers, inputs.detach()
        self.channels = channels
        self._whole: Tensor | None = None  # while a forward runs

    def own(self, images: Tensor) -> Tensor:
        """The one input among all of them; a view."""
        start, stop = self.channels.start, self.channels.stop
        return images.narrow(-3, start, stop - start)

    def completed(self, forward: Forward) -> Forward:
        """``forward`` for images of the one input."""

        def run(images: Tensor, positions: Sequence[int]) -> Any:
            whole = self._whole
            if whole is None:
                whole = self.inputs[list(positions)]
            return forward(self._join(images, whole), positions)

        return run

    def _join(self, images: Tensor, whole: Tensor) -> Tensor:
        """All inputs, the one replaced."""
        start, stop = self.channels.start, self.channels.stop
        after = whole.narrow(-3, stop, whole.shape[-3] - stop)
        parts = [whole.narrow(-3, 0, start), images, after]
        return torch.cat([part for part in parts if part.shape[-3]], -3)

    def read(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int] | None = None,
        whole: bool = False,
    ) -> dict[str, Part]:
        """As for all inputs, with images of the one input."""
        places = range(len(images)) if positions is None else positions
        joined = self._join(images, self.inputs[list(places)].to(images))

        def run(all_inputs: Tensor, where: Sequence[int]) -> Any:
            self._whole = all_inputs
            try:
                return forward(self.own(all_inputs), where)
            finally:
                self._whole = None

        return self.all_layers.read(run, joined, target, positions, whole)
