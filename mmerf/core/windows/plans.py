"""How images of each size are run: searched for once, and kept.

A later measurement of the same model, as at a training's next validation,
takes over what was found and confirms it again.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from ..batch import Forward
from ..errors import ERFError, one_line
from ..running.layer_scores import LayerScores
from ..running.precision import precision
from ..targets.base import Target
from .confirm import with_noise
from .outline import OutlinedForward
from .planner import Planner, WindowPlan

Shape = tuple[int, ...]  # (C, H, W)


class Plans:
    """The plans of a model, by the shape of an image.

    Args:
        model (nn.Module): In eval mode.
        layers (LayerScores): The layers that are measured.
    """

    def __init__(self, model: nn.Module, layers: LayerScores) -> None:
        self.model, self.layers = model, layers
        self._plans: dict[Shape, WindowPlan] = {}
        self._planner: Planner | None = None
        self._margin = 0.0  # around a field, as a share of the field's side
        self._refusal = ''

    def known(self, images: Tensor) -> WindowPlan | None:
        """The plan for images (N, C, H, W); None before it is made."""
        if self._refusal:
            return self.whole(self._refusal)
        return self._plans.get(tuple(images.shape[1:]))

    def whole(self, reason: str = '') -> WindowPlan:
        """The plan that runs whole images."""
        return WindowPlan(whole=self.layers, reason=reason)

    @property
    def order(self) -> list[str]:
        """Keys of all outputs, in the order of the layers, as far as known."""
        return [] if self._planner is None else self._planner.order

    def find(
        self, forward: Forward, images: Tensor, target: Target
    ) -> WindowPlan:
        """The plan for images (N, C, H, W); searched for once.

        Args:
            forward (callable): Runs the model.
            images (Tensor): In the layout in which they are run.
            target (Target): One whose ``windowed`` is set.
        """
        known, shape = self.known(images), tuple(images.shape[1:])
        if known is not None:
            return known
        if self._planner is None:
            self._planner = Planner(self.model, self.layers)
        try:
            with precision(images.device.type, None):
                plan = self._planner.plan(
                    OutlinedForward(self.model, forward),
                    with_noise(images[:1]),
                    self._margin,
                    target,
                )
        except ERFError as error:
            plan = self.whole(one_line(error, 80))
        self._plans[shape] = plan
        return plan

    def refuse(self, why: str) -> None:
        """Run whole images from now on."""
        self._refusal = why

    def widen(self) -> None:
        """Search again, with more around fields: a window was too small."""
        self._margin += 0.25
        self._plans.clear()

    def forget(self) -> None:
        """Search again for everything."""
        self._planner = None
        self._plans.clear()

    def carry_over(self, earlier: Plans) -> None:
        """Take over what an earlier measurement has found.

        Windows are confirmed again, as the weights may be others. Where no
        window was found, none is searched for.

        Args:
            earlier (Plans): Of a model and layers of the same structure; not
                to be used afterwards.
        """
        self._margin, self._planner = earlier._margin, earlier._planner
        self._refusal = earlier._refusal
        if self._planner is not None:
            self._planner.carry_over(self.layers)
        self._plans = {
            shape: self.whole(plan.reason)
            for shape, plan in earlier._plans.items()
            if plan.window is None
        }


class Known(NamedTuple):
    """What a measurement has found out about a model."""

    structure: tuple | None  # as ``structure_of`` gives it
    plans: Plans
    layout_error: str | None  # why images are in the plain layout


def structure_of(model: nn.Module, layers: LayerScores) -> tuple | None:
    """The module tree and the layers; None if a module cannot be printed."""
    try:
        tree = repr(model)
    except Exception:  # whatever somebody's own extra_repr raises
        return None
    return id(model), tree, tuple(layers.layers)
