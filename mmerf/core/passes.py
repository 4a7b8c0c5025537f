"""How a batch is run: in windows where units only see a part, else whole.

What is decided here changes the cost of a map and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .attributions import LayerMaps
from .capture import Capture
from .errors import ERFError
from .field_search import Recorder
from .fold import Folding
from .geometry import Grid
from .planning import Plan, Planner
from .windows import Window

Forward = Callable[[Tensor, Any], Any]  # (images, metas)
SMALL = 128 * 128  # px: an image of that size is run whole, as it is
SAMPLE = 128  # px, the side of the crop on which folding is checked
_FAILURES = (
    RuntimeError,
    ValueError,
    AssertionError,
    IndexError,
    TypeError,
    KeyError,
    ERFError,
)


class Placed(NamedTuple):
    """One layer's maps of a batch, as they were run.

    Attributes:
        found (LayerMaps): Of the window, (N, h, w).
        grid (Grid): The layer's grid over the whole image.
        window (Window): Where the maps lie in the image; they are zero
            outside.
    """

    found: LayerMaps
    grid: Grid
    window: Window


class Passes:
    """Runs batches of a measurement.

    Args:
        model (nn.Module): Preserved: in eval mode, parameters frozen.
        capture (Capture): The layers asked for.
        attribution: How contributions are found; run in windows only where
            it has ``windowed``.
        target: What is scored; run in windows only where it has ``unit`` and
            ``at``.

    Attributes:
        words (dict[str, str]): By layer key, how it was run.
    """

    def __init__(
        self, model: nn.Module, capture: Capture, attribution: Any, target: Any
    ) -> None:
        self.model, self.capture = model, capture
        self.attribution, self.target = attribution, target
        self.words: dict[str, str] = {}
        self._plans: dict[tuple, Plan] = {}
        self._planner: Planner | None = None
        if (
            getattr(attribution, 'windowed', False)
            and hasattr(target, 'unit')
            and hasattr(target, 'at')
        ):
            self._planner = Planner(model, capture, target)
        self._folding: Folding | None = None
        self._room = 0.0  # of a field, that windows leave on each side

    def run(
        self, forward: Forward, images: Tensor, metas: Any
    ) -> dict[str, Placed]:
        """Maps of every layer.

        Args:
            forward (callable): ``forward(images, metas)`` runs the model.
            images (Tensor): Shape (N, C, H, W), on the model's device.
            metas (sequence of mappings, optional): One per image.

        Returns:
            dict[str, Placed]: By layer key, in the order of the layers.
        """
        if images.device.type == 'cpu':  # a third faster there
            images = images.contiguous(memory_format=torch.channels_last)
        size = (int(images.shape[2]), int(images.shape[3]))
        if size[0] * size[1] <= SMALL:
            return self._whole(self.capture, forward, images, metas)
        shape = tuple(images.shape[1:])
        if self._folding is None:
            self._folding = self._fold(forward, images, metas)
        with self._folding.applied():
            if shape not in self._plans:
                self._plans[shape] = self._plan(forward, images, metas)
            found: dict[str, Placed] = {}
            while (plan := self._plans[shape]).window is not None:
                inside = self._inside(plan, forward, images, metas)
                if inside is not None:
                    found = inside
                    break
                self._room += 0.25
                self._plans[shape] = self._plan(forward, images, metas)
            if plan.whole is not None:
                found |= self._whole(plan.whole, forward, images, metas)
        for key, placed in found.items():
            self.words[key] = _words(placed.window, size)
        if self._planner is None or plan.window is None or not plan.whole:
            return found
        order = list(self._planner.order)
        return {key: found[key] for key in order if key in found}

    def _whole(
        self, capture: Capture, forward: Forward, images: Tensor, metas: Any
    ) -> dict[str, Placed]:
        found = self.attribution(
            lambda x: forward(x, metas), images, self.target, capture, metas
        )
        grids = capture.contexts(tuple(images.shape[1:]))
        height, width = int(images.shape[2]), int(images.shape[3])
        everything = Window((0, height), (0, width))
        return {
            key: Placed(maps, grids[key], everything)
            for key, maps in found.items()
        }

    def _inside(
        self, plan: Plan, forward: Forward, images: Tensor, metas: Any
    ) -> dict[str, Placed] | None:
        """Maps of the layers in the window; None where it is too small."""
        assert plan.window and plan.places and plan.inside
        units = {
            key: place.unit_in(plan.window)
            for key, place in plan.places.items()
        }
        target = _AtUnits(self.target, units)
        found = self.attribution(
            lambda x: forward(x, metas),
            plan.window.of(images),
            target,
            plan.inside,
            metas,
        )
        size = (int(images.shape[2]), int(images.shape[3]))
        for maps in found.values():
            touched = maps.maps != 0 if maps.touched is None else maps.touched
            if plan.window.inner_edges(touched, size):
                return None
        return {
            key: Placed(maps, plan.places[key].grid, plan.window)
            for key, maps in found.items()
        }

    def _fold(self, forward: Forward, images: Tensor, metas: Any) -> Folding:
        """Batch norms that can be folded; none where a value changes."""
        image, one = images[:1], None if metas is None else metas[:1]
        keep = {layer.module for layer in self.capture.layers}
        for side in (SAMPLE, None):
            sample = image[:, :, :side, :side]
            plain, folded = Recorder(), Recorder()

            def run(sample: Tensor = sample, to: Recorder = plain) -> None:
                capture = Capture(self.capture.layers, self.capture.front)
                with torch.no_grad():
                    capture.scores(lambda x: forward(x, one), sample, to)

            try:
                folding = Folding(self.model, run, keep)
                with folding.applied():
                    run(to=folded)
            except _FAILURES:
                continue
            if not all(plain.agrees(folded).values()):
                folding.dropped()
            return folding
        return Folding(self.model, lambda: None)

    def _plan(self, forward: Forward, images: Tensor, metas: Any) -> Plan:
        if self._planner is None:
            return Plan(whole=self.capture)
        one = None if metas is None else metas[:1]
        try:
            return self._planner.plan(
                lambda x: forward(x, one), _generic(images[:1]), self._room
            )
        except _FAILURES:
            return Plan(whole=self.capture)


def _generic(image: Tensor) -> Tensor:
    """An image with noise, so that no two places are alike."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(image.shape, generator=generator)
    spread = float(image.std()) or 1.0
    return image + noise.to(image) * spread


class _AtUnits:
    """A target at the units that a crop has."""

    def __init__(self, target: Any, units: Mapping[str, Any]) -> None:
        self.target, self.units = target, units

    def __call__(self, output: Tensor, context: Any) -> Tensor:
        y, x = self.units[context.layer]
        return self.target.at(y, x)(output, context)


def _words(window: Window, size: tuple[int, int]) -> str:
    if window.size == size:
        return 'whole image'
    return 'window {} x {}'.format(*window.size)
