"""An operation that was run on one image, and is run on several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ImageAxis = int | None  # of a tensor; None where it holds no images
TensorShape = tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """An operation that is run on several images.

    Attributes:
        name (str): Without ``aten::`` and the overload.
        pointwise (bool): Whether torch says so.
        arguments (dict): By name, with their defaults.
        taken, made (sequence): Shape and image axis of each tensor that it
            takes, and makes; some of either hold images.
        numbers_agree (bool): Whether its other arguments are those that it
            had for one image.
        rounds (int): How often the images take turns along their axis: once,
            or for each token, where those come first.
        count (int): Images.
    """

    name: str
    pointwise: bool
    arguments: dict[str, Any]
    taken: Sequence[tuple[TensorShape, ImageAxis]]
    made: Sequence[tuple[TensorShape, ImageAxis]]
    numbers_agree: bool
    rounds: int
    count: int

    @property
    def made_rounds(self) -> int:
        """How often the images take turns in what is made; 0 if it is lost.

        An image axis is read as (rounds, images, the rest); a view leaves as
        many entries before an image as there were.
        """
        if self.name != 'view':
            return self.rounds if self.keeps_length else 0
        (shape, axis), (new, new_axis) = self.taken[0], self.made[0]
        if axis is None or new_axis is None:
            return 0
        before = math.prod(shape[:axis]) * self.rounds
        rounds, rest = divmod(before, math.prod(new[:new_axis]))
        if rest or not rounds or new[new_axis] % (rounds * self.count):
            return 0
        return rounds

    @property
    def keeps_length(self) -> bool:
        """Whether the image axis is as long in what is made as before."""
        every = {
            shape[axis]
            for shape, axis in (*self.taken, self.made[0])
            if axis is not None
        }
        return len(every) == 1
