"""Follows where entries sit through autograd's graph, after they were made.

To watch every operation costs a forward of many small ones more than it takes
itself. Its graph tells the same afterwards, as long as all operations between
the images and an output are known by what their nodes keep.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from ..aten import SAYS_HOOKS
from ..grid.coordinates import Grid
from ..grid.placed import Placed, Tag
from ..grid.reading import Reading
from ..placing.call import Call
from .nodes import NodeRule, recorded
from .places import KnownPlaces, Noted
from .read_placed import reading_of

Made = list[Tag | None]  # of each tensor; None for a constant


class NotFollowed(Exception):
    """A graph has a node that does not tell what its operation has done."""


class GraphFollower:
    """Follows the places of tensors' entries through the graph they have.

    Args:
        images (Tensor): What the model is called with, (N, ..., C, H, W);
            made by an operation with a gradient.

    Attributes:
        places (KnownPlaces): What is known so far.

    Example:
        >>> conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        >>> images = torch.zeros(1, 3, 32, 32, requires_grad=True).clone()
        >>> follower = GraphFollower(images)
        >>> with follower:
        ...     out = conv(images)
        >>> reading, grid = follower.read(out, 1)
        >>> grid.pixel((8, 8))
        (16.0, 16.0)
    """

    def __init__(self, images: Tensor) -> None:
        self.places = KnownPlaces(images)
        self._stack = ExitStack()
        self._made: dict[Any, Made] = {images.grad_fn: [self.places.pixels]}

    @staticmethod
    def can_follow(images: Tensor) -> bool:
        """Whether what a model makes of images can have such a graph.

        A compiled model's has one node for all of it, so it must not run
        compiled; which torch before 2.6 cannot be told. Nor can torch that
        does not say whether hooks hand out what a node keeps.
        """
        eager = not _has_compiler() or hasattr(torch.compiler, 'set_stance')
        return images.grad_fn is not None and SAYS_HOOKS and eager

    def __enter__(self) -> GraphFollower:
        if _has_compiler():
            self._stack.enter_context(torch.compiler.set_stance('force_eager'))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def read(self, tensor: Tensor, batch: int) -> tuple[Reading, Grid] | None:
        """How a tensor is laid out, and its grid; None if it is no map.

        Raises:
            NotFollowed: If the graph does not tell.
        """
        tag = self._tag_of(tensor)
        return reading_of(tag, batch) if isinstance(tag, Placed) else None

    def _tag_of(self, tensor: Tensor) -> Tag | None:
        """The tag of a tensor; None of one that no image has made.

        Raises:
            NotFollowed: If a node between the images and it does not tell.
        """
        if tensor.grad_fn is None:
            raise NotFollowed
        waiting = [tensor.grad_fn]
        while waiting:
            node = waiting[-1]
            if node in self._made:
                waiting.pop()
                continue
            before = [each for each, _ in node.next_functions]
            open_ones = [
                each for each in before if each and each not in self._made
            ]
            if open_ones:
                waiting += open_ones
            else:
                self._made[node] = self._made_by(node)
                waiting.pop()
        return self._made[tensor.grad_fn][tensor.output_nr]

    def _made_by(self, node: Any) -> Made:
        """The tags of what an operation has made.

        Raises:
            NotFollowed: If its node does not tell them.
        """
        count = len(node._input_metadata)
        tags, shapes = self._before(node)
        if all(tag is None for tag in tags):
            return [None] * count
        operation = recorded(node.name())
        if operation is None:
            raise NotFollowed
        try:
            noted = self._noted(operation, node, tags, shapes)
        except Exception as error:  # whatever a node or a rule cannot tell
            raise NotFollowed from error
        for _, grid in noted:
            self.places.keep_grid(grid)
        return [tag for tag, _ in noted]

    def _before(self, node: Any) -> tuple[Made, list[tuple[int, ...] | None]]:
        """Tags and shapes of an operation's tensors; of a constant, None."""
        tags: Made = []
        shapes: list[tuple[int, ...] | None] = []
        for before, number in node.next_functions:
            if before is None:
                tags.append(None)
                shapes.append(None)
            else:
                tags.append(self._made[before][number])
                shapes.append(tuple(before._input_metadata[number].shape))
        return tags, shapes

    def _noted(
        self,
        operation: NodeRule,
        node: Any,
        tags: Made,
        shapes: list[tuple[int, ...] | None],
    ) -> Noted:
        """Tags, and grids, of what an operation made."""
        kept = dict(operation.arguments(node))
        made = [tuple(each.shape) for each in node._input_metadata]
        form = [
            tuple(value.shape) if isinstance(value, Tensor) else value
            for value in kept.values()
        ]
        key = (operation.rule, *form, *made, *shapes, *map(id, tags))
        noted = self.places.known.get(key)
        if noted is None:
            outputs = [_stand_in(shape) for shape in made]
            tensors = [
                None if shape is None else _stand_in(shape) for shape in shapes
            ]
            known = {
                id(tensor): tag
                for tensor, tag in zip(tensors, tags, strict=True)
                if tensor is not None
            }
            arguments = _arguments(operation, tensors, kept, outputs[0], known)
            out = outputs[0] if len(outputs) == 1 else tuple(outputs)
            outcome = operation.rule(Call(arguments, out, known))
            noted = self.places.noted(outcome, outputs)
            self.places.known[key] = noted
        return noted


def _has_compiler() -> bool:
    return 'torch._dynamo' in sys.modules


def _arguments(
    operation: NodeRule,
    tensors: list[Tensor | None],
    kept: dict[str, Any],
    out: Tensor,
    known: dict[int, Tag | None],
) -> dict[str, Any]:
    """An operation's arguments, by name, as its rule sees them.

    Args:
        operation (NodeRule): The operation.
        tensors (list of Tensor): Its tensors; None for a constant.
        kept (dict): What its node keeps.
        out (Tensor): What it returned, first.
        known (dict): Tags by tensors' ids; constants are added.
    """
    if operation.tensors == ('*operands',):
        return {'operands': [each for each in tensors if each is not None]}
    if operation.tensors == ('*tensors',):
        several = _with_constants(tensors, kept['dim'], out)
        known.update((id(each), known.get(id(each))) for each in several)
        return {'tensors': several, **kept}
    constant = _stand_in(())
    named = {
        name: constant if each is None else each
        for name, each in zip(operation.tensors, tensors, strict=False)
    }
    found = {**named, **kept}
    for value in found.values():
        if isinstance(value, Tensor):
            known.setdefault(id(value), None)
    return found


def _with_constants(
    tensors: list[Tensor | None], dim: int, out: Tensor
) -> list[Tensor]:
    """Tensors that are joined, or stacked, with constants among them.

    In a stack all are alike; beside others, the size of one is what is left.

    Raises:
        NotFollowed: If several constants are joined.
    """
    known = [each for each in tensors if each is not None]
    shape = list(known[0].shape)
    if out.dim() == len(shape):
        if len(known) < len(tensors) - 1:
            raise NotFollowed
        rest = out.shape[dim] - sum(each.shape[dim] for each in known)
        shape[dim] = rest
    return [
        _stand_in(tuple(shape)) if each is None else each for each in tensors
    ]


def _stand_in(shape: tuple[int, ...]) -> Tensor:
    """A tensor of a shape; rules read nothing else of one."""
    return torch.empty(shape, device='meta')
