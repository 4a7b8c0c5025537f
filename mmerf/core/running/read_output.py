"""One output of a layer, read as (N, C, h, w) as its layer returns it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ..following.graph import GraphFollower, NotFollowed
from ..following.places import Steps
from ..following.tracer import GridTracer
from ..grid.coordinates import Grid
from ..grid.reading import Reading
from ..layers.candidates import possible_layouts
from ..layers.clips import frames_to_channels, read_frames
from ..layers.names import Layer
from ..layers.output_forms import OutputContext
from ..layers.single_outputs import tensor_of


@dataclass
class PassPlan:
    """What one forward recorded, for later ones at the same input size.

    Attributes:
        calls (dict[str, int]): How often each module was called, by name.
        grids (dict[str, Grid]): Each output's grid, by output key.
        readings (dict[str, Reading]): Each output's layout, by output key.
        steps (dict[str, Steps]): At which multiples (px) crops keep an
            output's grid, by output key.
    """

    calls: dict[str, int] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    steps: dict[str, Steps] = field(default_factory=dict)


@dataclass
class Undecided:
    """An output whose layout is not known.

    Attributes:
        output (Tensor): What the layer returned, without gradient.
        layouts (list of Reading): Those that fit its shape.
    """

    output: Tensor
    layouts: list[Reading]


@dataclass
class Output:
    """An output that was read.

    Attributes:
        nchw (Tensor): Shape (N, C, h, w).
        layout (Reading): How it was laid out.
        grid (Grid): Where its units sit.
        context (OutputContext): What was known about it.
        shape (tuple[int, ...]): Of the images.
    """

    nchw: Tensor
    layout: Reading
    grid: Grid
    context: OutputContext
    shape: tuple[int, ...]

    def read(self, other: Any) -> Tensor | None:
        """Another output of the same form as (N, C, h, w)."""
        return frames_to_channels(other, self.context, self.shape)


class OutputReader:
    """Reads the outputs of one forward pass.

    Args:
        inputs (Tensor): The images, (N, C, H, W) or clips.
        follower (GridTracer or GraphFollower, optional): Follows this pass.
        plan (PassPlan, optional): Record of an earlier pass, where this one
            is not followed.
        front (int): Tokens that the model has in front of its grids.
        behaved (mapping, optional): Layouts of outputs that cannot be
            followed, by output key.
    """

    def __init__(
        self,
        inputs: Tensor,
        follower: GridTracer | GraphFollower | None,
        plan: PassPlan | None,
        front: int,
        behaved: Mapping[str, Reading] | None,
    ) -> None:
        self.shape = tuple(inputs.shape)
        self.size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        self.follower, self.plan, self.front = follower, plan, front
        self.behaved = behaved or {}

    def read(self, layer: Layer, key: str, leaf: Any) -> Output | None:
        """Read an output; None where its layout is not known.

        Args:
            layer (Layer): The layer, with what the user stated of it.
            key (str): The output's key.
            leaf: The output, as ``leaves`` yields it.

        Raises:
            LayerError: If what is stated does not fit the output.
            NotFollowed: If the graph does not tell where its units sit.
        """
        followed = self._followed(leaf)
        context = self.context(layer, key, followed)
        found = read_frames(leaf, context, self.shape)
        if found is None:
            return None
        nchw, layout = found
        grid = self._grid(key, followed, layout)
        return Output(nchw, layout, grid, context, self.shape)

    def context(
        self,
        layer: Layer,
        key: str,
        followed: tuple[Reading, Grid] | None = None,
    ) -> OutputContext:
        """What is known about an output before it is read.

        Args:
            layer (Layer): The layer.
            key (str): The output's key.
            followed (tuple, optional): How the output was followed.
        """
        if self.plan is not None:  # as the first pass read it
            found = self.plan.readings.get(key)
            return OutputContext(self.shape[0], self.size, found)
        found = followed[0] if followed else self.behaved.get(key)
        return OutputContext(
            self.shape[0],
            self.size,
            found,
            layer.grid,
            layer.layout,
            layer.first,
            self.front,
        )

    def undecided(self, leaf: Any) -> Undecided | None:
        """An output that may be a feature map, to be decided later."""
        tensor = tensor_of(leaf)
        if self.follower is None or tensor is None:
            return None
        layouts = possible_layouts(
            tuple(tensor.shape),
            self.shape[0],
            self.size,
            self.follower.places.sizes,
            self.front,
        )
        if not layouts or not tensor.is_floating_point():
            return None
        return Undecided(tensor.detach().clone(), layouts)

    def _followed(self, leaf: Any) -> tuple[Reading, Grid] | None:
        """Layout and grid of an output, of images or of frames of clips."""
        tensor = tensor_of(leaf)
        if self.follower is None or tensor is None:
            return None
        if not tensor.is_floating_point():
            return None
        frames = math.prod(self.shape[1:-3])
        for batch in dict.fromkeys((self.shape[0], self.shape[0] * frames)):
            found = self.follower.read(tensor, batch)
            if found is not None:
                return found
        if isinstance(self.follower, GraphFollower) and tensor.dim() in (3, 4):
            raise NotFollowed  # a layout may fit, on grids that it has not met
        return None

    def _grid(
        self,
        key: str,
        followed: tuple[Reading, Grid] | None,
        layout: Reading,
    ) -> Grid:
        if self.plan is not None:
            return self.plan.grids[key]
        if followed is not None and followed[1].size == layout.size:
            return followed[1]
        assert self.follower is not None
        if isinstance(self.follower, GraphFollower):
            raise NotFollowed  # on another grid, as it was stated
        h, w = layout.size
        grid = self.follower.places.grid((w, h) if layout.swapped else (h, w))
        return replace(grid, size=(h, w), swapped=layout.swapped)
