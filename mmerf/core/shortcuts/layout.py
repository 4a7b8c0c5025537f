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
from ..running.probes import Recorder, varies_over_places
from ..targets.base import Target

MOST_COMPARED = 64  # down and across, at which layouts are compared


class Layout:
    """Channels last on a CPU, which is faster there, where a model takes it.

    A model that fails on such images, or gives other outputs, is handed them
    in the plain layout from then on.

    Attributes:
        error (str, optional): Why images are in the plain layout.
        checked (set[tuple]): Shapes of images whose outputs were compared.
        gains (bool): Whether a model can gain by it, as far as known.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.checked: set[tuple[int, ...]] = set()
        self.gains = True
        # Shapes of images that were looked at, and of those that gain nothing.
        self._decided: set[tuple[int, ...]] = set()
        self._gain_nothing: set[tuple[int, ...]] = set()
        self._measured: list[_Outputs] = []  # of one pass

    def decide(self, layers: LayerScores, images: Tensor) -> None:
        """Decide for images of a shape, by what forwards have shown so far.

        Args:
            layers (LayerScores): After a forward, perhaps of a crop.
            images (Tensor): Shape (N, C, H, W).
        """
        shape = tuple(images.shape[1:])
        if shape not in self._decided and images.dim() == 4:
            self._decided.add(shape)
            if layers.noticed.outweighed(images[:, 0].numel()):
                self._gain_nothing.add(shape)
        if self.applies(images):
            self.serves_no_image(layers)

    def of(self, images: Tensor, whole: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in the layout that the model takes.

        Args:
            images (Tensor): Those.
            whole (Tensor, optional): Of which they are crops: it decides.
        """
        if not self.applies(images if whole is None else whole):
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

    def disagrees(
        self,
        forward: Forward,
        layers: LayerScores,
        images: Tensor,
        shape: tuple[int, ...],
    ) -> bool:
        """Whether the model gives other outputs in this layout.

        A model may read strides, and an operation may round more there.
        Compared on one image of each size, with a graph and without a
        backward pass; on the next image as well, where an output is the same
        everywhere or the image of one colour, which tells nothing. Where
        values decide what is run, or a group norm's variance is a difference
        of large numbers there, no comparison serves other images. Where the
        outputs of the pass that was measured are those of the other layout,
        that is enough; else both layouts are run, in float32.

        Args:
            forward (callable): Runs the model.
            layers (LayerScores): After a forward pass.
            images (Tensor): What it was run on, shape (N, C, H, W).
            shape (tuple of int): (C, H, W) of whole images.
        """
        measured, self._measured = self._measured, []
        if self.serves_no_image(layers):
            return True
        tells = varies_over_places(images[:1])
        tells &= all(pair.recorder.tells for pair in measured)
        if measured and all(
            pair.recorder.agrees_with(
                _outputs(forward, pair.layers, pair.image, pair.other_layout)
            )
            for pair in measured
        ):
            self._note_checked(shape, tells)
            return False
        faster, plain = (
            _outputs(forward, layers, images[:1], layout)
            for layout in (torch.channels_last, torch.contiguous_format)
        )
        if not faster.agrees_with(plain):
            self.error = 'its outputs differ there'
        self._note_checked(shape, tells and plain.tells)
        return self.error is not None

    def serves_no_image(self, layers: LayerScores) -> bool:
        """Whether forwards have shown that no image may be in this layout."""
        self.error = layers.noticed.keeps_plain
        return self.error is not None

    def _note_checked(self, shape: tuple[int, ...], tells: bool) -> None:
        if tells:
            self.checked.add(tuple(shape))

    def try_on(
        self, forward: Forward, layers: LayerScores, images: Tensor
    ) -> None:
        """Decide for later passes, after one in the plain layout.

        Args:
            forward, layers, images: As for ``disagrees``; whole images.
        """
        try:
            self.disagrees(forward, layers, images, images.shape[1:])
        except Exception as error:  # whatever the model's code raises
            free_traceback(error)
            self.error = one_line(error, 80)

    def applies(
        self, images: Tensor, device: torch.device | None = None
    ) -> bool:
        """Whether images are handed over in this layout, as far as known."""
        on_cpu = (device or images.device).type == 'cpu'
        gains = (
            self.gains and tuple(images.shape[1:]) not in self._gain_nothing
        )
        usable = gains and self.error is None
        return on_cpu and images.dim() == 4 and usable


class _Outputs(NamedTuple):
    """Outputs of a pass for its first image."""

    layers: LayerScores
    image: Tensor
    recorder: Recorder

    @property
    def other_layout(self) -> torch.memory_format:
        """The one that the image did not come in."""
        if _is_plain(self.image):
            return torch.channels_last
        return torch.contiguous_format


def _is_plain(image: Tensor) -> bool:
    """Whether a clone of an image is in the plain layout, as of a crop."""
    faster = image.is_contiguous(memory_format=torch.channels_last)
    return image.is_contiguous() or not faster


def _outputs(
    forward: Forward,
    layers: LayerScores,
    image: Tensor,
    layout: torch.memory_format,
) -> Recorder:
    """Outputs for an image (1, C, H, W) in a layout.

    How they are read is known after a pass in the plain layout, in which the
    image then is; after one in the other it is found anew.
    """
    recorder = Recorder(most=MOST_COMPARED)
    # Code may ask whether gradients are enabled.
    with torch.enable_grad(), precision(image.device.type, None):
        leaf = image.detach().clone(memory_format=layout).requires_grad_()
        reader = layers if _is_plain(image) else layers.again()
        reader.read(forward, leaf.clone(), recorder, [0])
    return recorder
