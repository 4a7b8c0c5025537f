"""The memory layout in which a model is handed its images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..attributions.base import Attribute, LayerMaps
from ..batch import Forward
from ..errors import one_line
from ..running.layer_scores import LayerScores
from ..running.memory import free_traceback, is_out_of_memory
from ..running.precision import precision
from ..running.probes import Recorder
from ..targets.base import Target

DIFFERENT = 'its outputs differ there'
MOST_COMPARED = 64  # down and across, at which layouts are compared


class Layout:
    """Channels last on a CPU, which is faster there, where a model takes it.

    A model that fails on such images, or gives other outputs, is handed them
    in the plain layout from then on.

    Attributes:
        error (str, optional): Why images are in the plain layout.
        checked (bool): Whether outputs were compared.
        gains (bool): Whether a model can gain by it, as far as known.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.checked = False
        self.gains = True
        self._measured: list[_Outputs] = []  # of one pass

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

    def watched(self, attribute: Attribute) -> Attribute:
        """An attribution whose outputs are kept until they are compared."""

        def run(
            forward: Forward,
            images: Tensor,
            target: Target,
            layers: LayerScores,
        ) -> Iterator[LayerMaps]:
            if torch.is_autocast_enabled(images.device.type):
                yield from attribute(forward, images, target, layers)
                return  # outputs in another precision
            layers.recorder = recorder = Recorder(most=MOST_COMPARED)
            try:
                yield from attribute(forward, images, target, layers)
            finally:
                layers.recorder = None
            self._measured.append(_Outputs(layers, images[:1], recorder))

        return run

    def forget_measured(self) -> None:
        """Forget the outputs of the latest pass."""
        self._measured.clear()

    def look_ahead(self, forward: Forward) -> None:
        """Decide for later passes, after one in the plain layout.

        The outputs of that pass are compared with those of a forward in the
        faster layout, without gradient. Outputs that are the same everywhere
        tell nothing; then another pass has to.

        Args:
            forward (callable): Runs the model.
        """
        measured, self._measured = self._measured, []
        if not (measured and all(pair.recorder.tells for pair in measured)):
            return
        self.checked = True
        try:
            agrees = all(
                pair.recorder.agrees_with(
                    _outputs(
                        forward, pair.layers, pair.image, torch.channels_last
                    )
                )
                for pair in measured
            )
            self.error = None if agrees else DIFFERENT
        except Exception as error:  # whatever the model's code raises
            free_traceback(error)
            self.error = one_line(error, 80)

    def disagrees(
        self, forward: Forward, layers: LayerScores, images: Tensor
    ) -> bool:
        """Whether the model gives other outputs in this layout.

        A model may read strides, and an operation may round more there, as a
        group norm does. Compared once, on one image, without gradient. Where
        the outputs of the pass that was measured are those of the plain
        layout, that is enough; else both layouts are run, in float32.

        Args:
            forward (callable): Runs the model.
            layers (LayerScores): After a forward pass.
            images (Tensor): What it was run on, shape (N, C, H, W).
        """
        self.checked = True
        measured, self._measured = self._measured, []
        told = all(pair.recorder.tells for pair in measured)
        if (
            measured
            and told
            and all(
                pair.recorder.agrees_with(
                    _outputs(
                        forward,
                        pair.layers.again(),
                        pair.image,
                        torch.contiguous_format,
                    )
                )
                for pair in measured
            )
        ):
            return False
        faster, plain = (
            _outputs(forward, layers.again(), images[:1], layout)
            for layout in (torch.channels_last, torch.contiguous_format)
        )
        if not faster.agrees_with(plain):
            self.error = DIFFERENT
        self.checked = plain.tells  # else once more, on the next image
        return self.error is not None

    def applies(
        self, images: Tensor, device: torch.device | None = None
    ) -> bool:
        """Whether images are handed over in this layout, as far as known."""
        on_cpu = (device or images.device).type == 'cpu'
        usable = self.gains and self.error is None
        return on_cpu and images.dim() == 4 and usable


class _Outputs(NamedTuple):
    """Outputs of a pass for its first image."""

    layers: LayerScores
    image: Tensor
    recorder: Recorder


def _outputs(
    forward: Forward,
    layers: LayerScores,
    image: Tensor,
    layout: torch.memory_format,
) -> Recorder:
    """Outputs for an image (1, C, H, W) in a layout."""
    recorder = Recorder(most=MOST_COMPARED)
    with torch.no_grad(), precision(image.device.type, None):
        sample = image.clone(memory_format=layout)
        layers.read(forward, sample, recorder, [0])
    return recorder
