"""Run a model once and score every measured layer's output.

The score is taken at the moment the layer returns, before an in-place
operation overwrites its output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress

from torch import Tensor

from ..batch import Forward
from ..errors import ERFError, ModelError, one_line
from ..grid.coordinates import Grid
from ..grid.tracer import Steps
from ..layers.names import Layer
from ..targets.base import Part, Target
from .forward_pass import ForwardPass, PassPlan, StopForward
from .intercept import intercepted


class LayerScores:
    """The layers of a model that are measured, and how to read them.

    Args:
        layers (sequence of Layer): From ``find_layers``.
        front (int): Tokens that the model has in front of its grids; from
            ``front_tokens``.
        calls (mapping, optional): How often each module is called in one
            forward, where that is known already.

    Without ``calls``, the first forward at an input size runs whole, so that
    layers called several times and the history of every grid are known;
    later ones end once the last measured layer has returned.

    Attributes:
        order (list[str]): Keys of the outputs that the last forward read, in
            the order of the layers.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        front: int = 0,
        calls: Mapping[str, int] | None = None,
    ) -> None:
        self.layers, self.front = list(layers), front
        self.calls, self._calls = calls, calls
        self.order: list[str] = []
        self._outputs: dict[str, Layer] = {}
        self._plans: dict[tuple, PassPlan] = {}

    def read(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int] | None = None,
        whole: bool = False,
    ) -> dict[str, Part]:
        """Run the model once and score every measured layer.

        Args:
            forward (callable): ``forward(images, positions)`` runs the model.
            images (Tensor): Shape (N, C, H, W).
            target (Target): What is scored.
            positions (sequence of int, optional): The images' places in the
                batch, where they are copies of some of its images: the
                target is that of those images. None: the batch itself.
            whole (bool): Run the model to its end.

        Returns:
            dict[str, Part]: By the layer's key, which further parts of a
            target extend, in the order of the layers; scores of shape (N,)
            with their graph where gradients are enabled. A part without
            ``pixels`` is of no image.

        Raises:
            LayerError: If a layer was not reached or cannot be read.
            TargetError: If a target returns anything but (N,) numbers.
        """
        return self._read(forward, images, target, positions, whole)

    def probe(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int],
    ) -> dict[str, Part]:
        """The same on images that the model may refuse, such as a crop.

        Raises:
            ModelError: If the model's own code raises anything there.
        """
        return self._read(forward, images, target, positions, probing=True)

    def _read(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int] | None,
        whole: bool = False,
        probing: bool = False,
    ) -> dict[str, Part]:
        if positions is None:
            positions = range(len(images))
        else:
            target = target.select(positions)
        shape = tuple(images.shape[1:])
        plan = self._plans.get(shape)
        calls = self.calls if plan is None else plan.calls
        run = ForwardPass(
            self.layers, images, target, plan, self.front, calls, whole
        )
        reading = intercepted(run.by_module, run.returned)
        with reading, run.history or nullcontext():
            try:
                with suppress(StopForward):
                    forward(images, positions)
            except ERFError:
                raise
            except Exception as error:
                if not probing or run.at_fault:
                    raise
                raise ModelError(one_line(error, 160)) from error
        self._plans[shape] = run.finished()
        self._calls = self._plans[shape].calls
        self._outputs = self._outputs or run.outputs
        self.order = run.order()
        return run.ordered()

    def grids(self, input_shape: tuple) -> dict[str, Grid]:
        """Each output's grid at an input shape (C, H, W) that was run."""
        return dict(self._plans[tuple(input_shape)].grids)

    def steps(self, input_shape: tuple) -> dict[str, Steps]:
        """For each output, the multiples at which crops keep its grid.

        None where a grid on the way does not lie on whole pixels.
        """
        return dict(self._plans[tuple(input_shape)].steps)

    def only(self, keys: Iterable[str]) -> LayerScores:
        """Some of the outputs, once a forward has shown which there are."""
        chosen = set(keys)
        layers = [v for key, v in self._outputs.items() if key in chosen]
        only = LayerScores(layers, self.front, self._calls)
        only._outputs = dict(self._outputs)
        return only
