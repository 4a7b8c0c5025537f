"""Whether few images repay the faster memory layout, and a model takes it.

Where images are so many that a search for windows pays, the layout is checked
after a first pass in it. Of fewer, one is measured plainly, and a forward in
the faster layout is compared with that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..attributions.base import Attribution
from ..batch import Forward
from ..gradient.worth import OWN_BACKWARD
from ..running.afresh import afresh
from ..running.layer_scores import LayerScores
from .budget import Budget
from .layout import Layout


class Trial:
    """Decides for a pass, and tries the layout for those that follow.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
        attribution (Attribution): How contributions are found.
        budget (Budget): Says for how many images shortcuts pay.
        layout (Layout): How images lie in memory.

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
    ) -> None:
        self.model, self.layers, self.attribution = model, layers, attribution
        self.budget, self.layout = budget, layout
        self.plain_because: str | None = None

    def is_few(self, images: Tensor) -> bool:
        """Whether images are so few that no shortcut of a forward pays."""
        enough = self.attribution.repeats or self.budget.enough(images)
        return not (enough or self._may_gain(images))

    def compares(self, images: Tensor) -> bool:
        """Whether the layout of images is compared with the plain one."""
        compared = tuple(images.shape[1:]) in self.layout.checked
        applies = self.layout.applies(images) and not compared
        plain = self.plain_because is not None or self.is_few(images)
        return applies and not plain

    def is_due(self, images: Tensor) -> bool:
        """Whether a pass is run plainly, for the layout to be tried."""
        searched = self.attribution.repeats or self.budget.pays(images)
        tried = self._may_gain(images) and not searched
        return tried and self.compares(images)

    @property
    def own_backward(self) -> str | None:
        """What says that a pass ran backward code of a model's own, if any.

        It may read a gradient's memory as if it were in the plain layout, or
        make a pixel's gradient depend on another's; no forward shows it.
        """
        reasons = self.attribution.fallbacks.values()
        return next((why for why in reasons if OWN_BACKWARD in why), None)

    @contextmanager
    def around(
        self,
        forward: Forward,
        images: Tensor,
        several_follow: Callable[[], bool],
    ) -> Iterator[None]:
        """Run a plain pass inside; the layout is tried afterwards.

        Args:
            forward (callable): Runs the model.
            images (Tensor): Of the pass, shape (1, C, H, W).
            several_follow (callable): Whether later passes are of several
                images: so few passes that the layout does not repay.
        """
        yield
        self.layout.gains = (
            self.layers.noticed.convolves
            and not self.own_backward
            and not several_follow()
        )
        self.layout.decide(self.layers, images)
        if self.layout.applies(images):
            run = afresh(self.model, forward)
            self.layout.try_on(run, self.layers, images)
        self.layout.forget_measured()

    def _may_gain(self, images: Tensor) -> bool:
        """Whether passes of one image follow, each with one gradient."""
        return (
            len(images) == 1
            and self.budget.repeats(images)
            and self.attribution.one_gradient
            and not torch.is_autocast_enabled(images.device.type)
        )
