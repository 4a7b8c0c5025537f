"""How a batch is run: in windows where units only see a part, else whole.

What is decided here changes the cost of a map and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .attributions import LayerMaps
from .capture import Capture
from .errors import ERFError
from .field_search import Recorder
from .fold import Folding
from .gathering import Gathering
from .geometry import Grid
from .planning import Plan, Planner
from .precision import precision
from .targets import Part

Forward = Callable[..., Any]  # (images, positions in the batch)
Done = tuple[dict[str, Part], dict[str, Grid]]
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


class Passes:
    """Runs batches of a measurement.

    Args:
        model (nn.Module): Preserved: in eval mode, parameters frozen.
        capture (Capture): The layers asked for.
        attribution: How contributions are found; run in windows only where
            it has ``windowed``.

    Attributes:
        words (dict[str, str]): By layer key, how it was run.
    """

    def __init__(
        self, model: nn.Module, capture: Capture, attribution: Any
    ) -> None:
        self.model, self.capture = model, capture
        self.attribution = attribution
        self.words: dict[str, str] = {}
        self._plans: dict[tuple, Plan] = {}
        self._planner: Planner | None = None
        self._folding: Folding | None = None
        self._room = 0.0  # of a field, that windows leave on each side

    def plan_of(self, shape: tuple[int, ...]) -> Plan | None:
        """How images (C, H, W) are run, once one was planned."""
        return self._plans.get(shape)

    @property
    def said(self) -> str:
        """How the layers were run, in a few words."""
        layers: dict[str, list[str]] = {}
        for key, words in self.words.items():
            layers.setdefault(words, []).append(key)
        return '; '.join(
            f'{", ".join(keys) if len(keys) < 6 else f"{len(keys)} layers"}: '
            f'{words}'
            for words, keys in layers.items()
        )

    def run(
        self,
        forward: Forward,
        images: Tensor,
        target: Any,
        bound: Any,
        metas: Any,
        gathering: Gathering,
    ) -> Done:
        """Maps of every layer.

        Args:
            forward (callable): ``forward(images, positions)`` runs the model.
            images (Tensor): Shape (N, ..., C, H, W), on the model's device.
            target (Target): What is scored; run in windows only where it has
                ``unit`` and ``at``.
            bound (Target): The same, told what it needs to know.
            metas (sequence of mappings, optional): One per image.
            gathering (Gathering): Takes the maps.

        Returns:
            tuple: Every score's part and every layer's grid, over the whole
            image.
        """
        images = _laid(images)
        if images.dim() != 4 or images[0, 0].numel() <= SMALL:
            plan = Plan(whole=self.capture)
            return self._run(
                plan, forward, images, target, bound, metas, gathering
            )
        if self._folding is None:
            with precision(images.device.type, None):
                self._folding = self._fold(forward, images)
        with self._folding.applied():
            plan = self._plan(forward, images, target)
            return self._run(
                plan, forward, images, target, bound, metas, gathering
            )

    def _run(
        self,
        plan: Plan,
        forward: Forward,
        images: Tensor,
        target: Any,
        bound: Any,
        metas: Any,
        gathering: Gathering,
    ) -> Done:
        parts: dict[str, Part] = {}
        grids: dict[str, Grid] = {}
        while plan.window is not None:
            inside = self._inside(plan, forward, images, target, metas)
            if inside is not None:
                for key, (part, maps) in inside.items():
                    gathering.add(part, maps, plan.window.corner)
                    parts[key], grids[key] = part, plan.places[key].grid
                break
            self._room += 0.25
            self._plans.clear()
            plan = self._plan(forward, images, target)
        if plan.whole is not None:
            found = self.attribution(forward, images, bound, plan.whole, metas)
            pairs = found.items() if isinstance(found, Mapping) else found
            for key, maps in pairs:
                gathering.add(plan.whole.parts[key], maps)
            parts |= plan.whole.parts
            grids |= plan.whole.contexts(tuple(images.shape[1:]))
        words = 'whole image'
        if plan.window is not None:
            self.words |= dict.fromkeys(
                plan.places, 'window {} x {}'.format(*plan.window.size)
            )
        if plan.whole is not None:
            self.words |= dict.fromkeys(
                (part.layer for part in plan.whole.parts.values()), words
            )
        return self._ordered(parts), grids

    def _ordered(self, parts: dict[str, Part]) -> dict[str, Part]:
        order = [] if self._planner is None else self._planner.order
        places = {key: place for place, key in enumerate(order)}
        keys = sorted(parts, key=lambda k: places.get(parts[k].layer, 0))
        return {key: parts[key] for key in keys}

    def _inside(
        self,
        plan: Plan,
        forward: Forward,
        images: Tensor,
        target: Any,
        metas: Any,
    ) -> dict[str, tuple[Part, LayerMaps]] | None:
        """Maps of the layers in the window; None where it is too small."""
        assert plan.window is not None and plan.inside is not None
        units = {k: p.unit_in(plan.window) for k, p in plan.places.items()}
        found = dict(
            self.attribution(
                forward,
                _laid(plan.window.of(images)),
                _AtUnits(target, units),
                plan.inside,
                metas,
            )
        )
        size = (int(images.shape[2]), int(images.shape[3]))
        inside = {}
        for key, maps in found.items():
            touched = maps.maps != 0 if maps.touched is None else maps.touched
            if plan.window.inner_edges(touched, size):
                return None
            place = plan.places[key]
            pixel = place.grid.pixel(place.unit)
            pixels = dict.fromkeys(range(len(images)), pixel)
            part = replace(plan.inside.parts[key], pixels=pixels)
            inside[key] = (part, maps)
        return inside

    def _fold(self, forward: Forward, images: Tensor) -> Folding:
        """Batch norms that can be folded; none where a value changes."""
        keep = {layer.module for layer in self.capture.layers}
        for side in (SAMPLE, None):
            sample = images[:1, :, :side, :side]
            plain, folded = Recorder(), Recorder()

            def run(sample: Tensor = sample, to: Recorder = plain) -> None:
                capture = Capture(self.capture.layers, self.capture.front)
                with torch.no_grad():
                    capture.scores(lambda x: forward(x, [0]), sample, to)

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

    def _plan(self, forward: Forward, images: Tensor, target: Any) -> Plan:
        whole = Plan(whole=self.capture)
        if not (
            getattr(self.attribution, 'windowed', False)
            and hasattr(target, 'unit')
            and hasattr(target, 'at')
        ):
            return whole
        shape = tuple(images.shape[1:])
        if shape in self._plans:
            return self._plans[shape]
        if self._planner is None:
            self._planner = Planner(self.model, self.capture, target)
        try:
            with precision(images.device.type, None):
                plan = self._planner.plan(
                    lambda x: forward(x, [0] * len(x)),
                    _generic(images[:1]),
                    self._room,
                )
        except _FAILURES:
            plan = whole
        self._plans[shape] = plan
        return plan


def _laid(images: Tensor) -> Tensor:
    """Channels last on a processor, where that is a third faster."""
    if images.dim() != 4 or images.device.type != 'cpu':
        return images
    # A clone, since of one image the stride over images may be any.
    return images.clone(memory_format=torch.channels_last)


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
