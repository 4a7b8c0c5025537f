"""The memory layout in which a model is handed its images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import one_line
from ..running.layer_scores import LayerScores
from ..running.memory import is_out_of_memory
from ..running.precision import precision
from ..running.probes import Recorder

MOST_COMPARED = 64  # down and across, at which layouts are compared


class Layout:
    """Channels last on a CPU, which is faster there, where a model takes it.

    A model that fails on such images, or gives other outputs, is handed them
    in the plain layout from then on.

    Attributes:
        error (str, optional): Why images are in the plain layout.
        checked (bool): Whether outputs were compared.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.checked = False

    def of(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in the layout that the model takes."""
        if not self.applies(images):
            return images
        # A clone: with one image, its stride over images may be anything.
        return images.clone(memory_format=torch.channels_last)

    def gives_up(
        self, error: Exception, images: Tensor, device: torch.device
    ) -> bool:
        """Whether a pass that failed is to start again in the plain layout.

        Args:
            error (Exception): What the model's code raised.
            images (Tensor): Of that pass.
            device (torch.device): On which the model is.
        """
        if is_out_of_memory(error) or not self.applies(images, device):
            return False
        self.error = one_line(error, 80)
        return True

    def disagrees(
        self, forward: Forward, layers: LayerScores, images: Tensor
    ) -> bool:
        """Whether the model gives other outputs in this layout.

        A model may read strides, and an operation may round more there, as
        a group norm does. Compared once, on one image, in float32 and without
        gradient.

        Args:
            forward (callable): Runs the model.
            layers (LayerScores): After a forward pass.
            images (Tensor): What it was run on, shape (N, C, H, W).
        """
        self.checked = True
        recorders = []
        for layout in (torch.channels_last, torch.contiguous_format):
            recorder, again = Recorder(most=MOST_COMPARED), layers.again()
            image = images[:1].clone(memory_format=layout)
            with torch.no_grad(), precision(image.device.type, None):
                again.read(forward, image, recorder, [0])
            recorders.append(recorder)
        if not all(recorders[0].agrees(recorders[1]).values()):
            self.error = 'its outputs differ there'
        return self.error is not None

    def applies(
        self, images: Tensor, device: torch.device | None = None
    ) -> bool:
        """Whether images are handed over in this layout, as far as known."""
        on_cpu = (device or images.device).type == 'cpu'
        return on_cpu and images.dim() == 4 and self.error is None
