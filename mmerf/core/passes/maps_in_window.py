"""Maps of the layers that run in a window, if it is large enough."""

from __future__ import annotations

from torch import Tensor

from ..attributions.base import Attribute, LayerMaps
from ..batch import Forward
from ..shortcuts.layout import Layout
from ..targets.base import Target
from ..windows.planner import WindowPlan
from ..windows.target_in_window import TargetInWindow


def maps_in_window(
    attribute: Attribute,
    layout: Layout,
    plan: WindowPlan,
    forward: Forward,
    images: Tensor,
    target: Target,
) -> list[LayerMaps] | None:
    """Maps of the layers in the window; None where it is too small.

    Args:
        attribute (callable): How contributions are found.
        layout (Layout): How a crop lies in memory.
        plan (WindowPlan): With a window.
        forward (callable): Runs the model.
        images (Tensor): Whole images, (N, C, H, W).
        target (Target): What is scored, in the whole image.
    """
    assert plan.window is not None and plan.inside is not None
    units = {k: p.unit_in(plan.window) for k, p in plan.places.items()}
    found = attribute(
        forward,
        layout.of(plan.window.crop(images), images),
        TargetInWindow(target, units, plan),
        plan.inside,
    )
    size = (int(images.shape[2]), int(images.shape[3]))
    kept = []
    for layer in list(found):
        assert layer.maps is not None
        touched = layer.touched
        touched = layer.maps != 0 if touched is None else touched
        if plan.window.touches_inner_edge(touched, size):
            return None
        kept.append(layer)
    return kept
