"""The folding of a measurement: found once, where it pays, and kept."""

from __future__ import annotations

from torch import Tensor, nn

from ..batch import Forward
from ..running.layer_scores import LayerScores
from ..running.precision import precision
from .bn_folding import Folding, checked_folding


class Foldings:
    """Batch norms folded into convolutions, for the passes of a model.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.

    Attributes:
        error (str, optional): Why some batch norms are not folded.
    """

    def __init__(self, model: nn.Module, layers: LayerScores) -> None:
        self.model, self.layers = model, layers
        self.error: str | None = None
        self._kept: Folding | None = None

    def of(
        self, forward: Forward, images: Tensor, pays: bool, same: bool = False
    ) -> Folding:
        """The folding for a pass, checked on its images the first time.

        Later it is made of the model's values of then.

        Args:
            forward (callable): Runs the model.
            images (Tensor): Of the pass, shape (N, C, H, W).
            pays (bool): Whether images are enough to gain by it; nothing is
                folded otherwise.
            same (bool): Whether the model is known to hold what it held in
                the pass before.
        """
        if not pays:
            return Folding(self.model)
        if self._kept is None:
            with precision(images.device.type, None):
                self._kept, self.error = checked_folding(
                    self.model,
                    self.layers,
                    forward,
                    images,
                )
        elif not (same or self._kept.renew()):
            self.error = 'modules were replaced or got hooks'
        return self._kept

    def drop(self, why: str) -> None:
        """Fold nothing from now on."""
        if self._kept is not None and self._kept.count:
            self._kept.drop()
            self.error = why

    def forget(self) -> None:
        """Search anew, as the model is run in another way."""
        self._kept = None
