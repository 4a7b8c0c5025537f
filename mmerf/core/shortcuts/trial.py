"""Whether images repay the shortcuts of a forward, and which of them agree.

These are the faster memory layout and folded batch norms. Where a search for
windows pays as well, each is checked by itself. Where it does not, one plain
pass is measured first, and a forward that takes both is compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ..attributions.base import Attribution
from ..batch import Forward
from ..folding.foldings import Foldings
from ..running.afresh import afresh
from ..running.layer_scores import LayerScores
from .budget import Budget, is_large
from .layout import Layout


class Trial:
    """Decides for a pass, and confirms shortcuts for those that follow.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        attribution (Attribution): How contributions are found.
        budget (Budget): Says for how many images shortcuts pay.
        layout (Layout): How images lie in memory.
        foldings (Foldings): Batch norms folded into convolutions.

    Attributes:
        plain_because (str, optional): Why no pass takes a shortcut any more.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: LayerScores,
        attribution: Attribution,
        budget: Budget,
        layout: Layout,
        foldings: Foldings,
    ) -> None:
        self.model, self.layers, self.attribution = model, layers, attribution
        self.budget, self.layout, self.foldings = budget, layout, foldings
        self.plain_because: str | None = None

    def is_few(self, images: Tensor) -> bool:
        """Whether images are so few that no shortcut of a forward pays."""
        enough = self.budget.enough(images) or self.budget.repeats(images)
        return not (self.attribution.repeats or enough)

    def compares(self, images: Tensor) -> bool:
        """Whether the layout of images is compared with the plain one."""
        applies = self.layout.applies(images) and not self.layout.checked
        plain = self.plain_because is not None or self.is_few(images)
        return applies and not plain

    def is_due(self, images: Tensor) -> bool:
        """Whether a pass is run plainly, for others to be compared with."""
        return (
            self.compares(images)
            and self.budget.repeats(images)
            and not (self.attribution.repeats or self.budget.pays(images))
            and self.attribution.one_gradient
            and not torch.is_autocast_enabled(images.device.type)
        )

    @contextmanager
    def on(self, images: Tensor, forward: Forward) -> Iterator[None]:
        """Run the plain pass inside; then confirm what agrees with it.

        Args:
            images (Tensor): Of the pass, shape (N, C, H, W).
            forward (callable): Runs the model.
        """
        large = is_large(images)
        with self.foldings.watching() if large else nullcontext():
            yield
        self.layout.checked, self.layout.gains = True, self.layers.convolves
        if self.layout.gains:
            self._confirm(afresh(self.model, forward))
            self.attribution.look_again()  # graphs are others from now on
        self.layout.forget_measured()

    def _confirm(self, forward: Forward) -> None:
        """Both shortcuts together; each alone where that fails."""
        layout, folding = self.layout, self.foldings.found
        with folding.applied():
            both = layout.why_not(forward, torch.channels_last)
        if not both:
            return
        faster = layout.why_not(forward, torch.channels_last)
        folded = ''
        if folding.count:
            with folding.applied():
                folded = layout.why_not(forward, torch.contiguous_format)
        if folded or not faster:
            self.foldings.drop(folded or both)
        layout.error = faster or None
