"""Run a model once and score every measured layer's output.

The score is computed at the moment the layer returns, before an in-place
operation can overwrite its output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress

import torch
from torch import Tensor

from ..batch import Forward
from ..errors import ERFError, ModelError, one_line
from ..following.graph import GraphFollower, NotFollowed
from ..following.kinds import CONVOLVES, Noticed
from ..following.places import Steps
from ..grid.coordinates import Grid
from ..grid.reading import Reading
from ..layers.behaviour import behaved_layouts
from ..layers.names import Layer
from ..targets.base import Part, Target
from .forward_pass import ForwardPass, StopForward
from .intercept import intercepted
from .probes import Recorder
from .read_output import PassPlan


class LayerScores:
    """The layers of a model that are measured, and how to read them.

    Args:
        layers (sequence of Layer): From ``find_layers``.
        front (int): Tokens that the model has in front of its grids; from
            ``front_tokens``.
        calls (mapping, optional): How often each module is called in one
            forward, where that is known already.
        noticed (Noticed, optional): What forwards were seen to do; shared by
            all objects for one model.

    Without ``calls``, the first forward at an input size runs whole, so that
    layers called several times and the history of every grid are known;
    later ones end once the last measured layer has returned.

    Attributes:
        order (list[str]): Keys of the outputs that the last forward read, in
            the order of the layers.
        recorder (Recorder, optional): Is shown what forwards read, of the
            first image.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        front: int = 0,
        calls: Mapping[str, int] | None = None,
        noticed: Noticed | None = None,
    ) -> None:
        self.layers, self.front = list(layers), front
        self.calls, self._calls = calls, calls
        self.order: list[str] = []
        self.recorder: Recorder | None = None
        self.noticed = Noticed() if noticed is None else noticed
        self._by_graph = self._from_graph = self._graph_failed = False
        self._outputs: dict[str, Layer] = {}
        self._plans: dict[tuple, PassPlan] = {}
        # Layouts of outputs that cannot be followed, by input shape and key.
        self._behaved: dict[tuple, dict[str, Reading]] = {}

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
            positions (sequence of int, optional): Of which image of the batch
                each image is a copy; it is scored as that image is. None:
                the images are the batch itself.
            whole (bool): Run the model to its end.

        Returns:
            dict[str, Part]: By the layer's key, in the order of the layers;
            a target's further parts have keys such as ``'layer:road'``.
            Scores have shape (N,), and their graph where gradients are
            enabled. A part without ``pixels`` is absent from every image.

        Raises:
            LayerError: If a layer was not reached or cannot be read.
            TargetError: If a target returns anything but (N,) numbers.
            NotFollowed: If a graph was to be followed, and does not tell
                where units sit.
        """
        return self._read(forward, images, target, positions, whole)

    def probe(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int],
    ) -> dict[str, Part]:
        """As ``read``, on images that the model may not run on, such as crops.

        Raises:
            ModelError: If the model's own code raises anything.
            LayerError, TargetError: As for ``read``.
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
        run = self._run(forward, images, target, positions, whole, probing)
        if run.not_followed:
            self._graph_failed = True
            raise NotFollowed
        if run.changed:  # traced with another number of images, perhaps
            del self._plans[shape]
            run = self._run(forward, images, target, positions, whole, probing)
        if run.tracer is not None:
            self.noticed |= run.tracer.noticed
            if run.tracer.convolutions > run.tracer.products:
                self.noticed.add(CONVOLVES)
            pixels = len(images) * images.shape[-2] * images.shape[-1]
            self.noticed.convolutions = run.tracer.convolutions
            self.noticed.weights = run.tracer.weights
            self.noticed.outputs = run.tracer.made / pixels
            self.noticed.work = run.tracer.work / pixels
        if run.undecided and shape not in self._behaved:
            found = self._behaviour(run, forward, images, positions)
            self._behaved[shape] = found
            if found:
                run = self._run(
                    forward, images, target, positions, whole, probing
                )
        self._plans[shape] = run.checked_plan()
        self._from_graph |= isinstance(run.follower, GraphFollower)
        self._calls = self._plans[shape].calls
        self.order = run.keys_in_order()
        self._outputs = self._outputs or {
            k: run.outputs[k] for k in self.order if k in run.outputs
        }
        return run.parts_in_order()

    def _behaviour(
        self,
        run: ForwardPass,
        forward: Forward,
        images: Tensor,
        positions: Sequence[int],
    ) -> dict[str, Reading]:
        """Layouts of the outputs that could not be followed."""
        if images.dim() != 4:
            return {}

        def outputs_of(image: Tensor) -> dict[str, Tensor]:
            probe = self._run(
                forward, image, Recorder({}), positions[:1], False, True
            )
            return {key: u.output for key, u in probe.undecided.items()}

        layouts = {key: u.layouts for key, u in run.undecided.items()}
        try:
            with torch.no_grad():
                return behaved_layouts(
                    layouts, outputs_of, images[:1].detach()
                )
        except ERFError:  # the model does not run on one image alone
            return {}

    def _run(
        self,
        forward: Forward,
        images: Tensor,
        target: Target,
        positions: Sequence[int],
        whole: bool,
        probing: bool,
    ) -> ForwardPass:
        shape = tuple(images.shape[1:])
        plan = self._plans.get(shape)
        calls = self.calls if plan is None else plan.calls
        run = ForwardPass(
            self.layers,
            images,
            target,
            plan,
            self.front,
            calls,
            whole,
            self._behaved.get(shape),
            self._by_graph,
        )
        run.recorder = self.recorder
        reading = intercepted(run.tapped(), run.on_return)
        with reading, run.follower or nullcontext(), run.noticing():
            try:
                with suppress(StopForward):
                    run.on_end(forward(images, positions))
            except ERFError:
                raise
            except Exception as error:
                if not probing or run.reading_failed:
                    raise
                raise ModelError(one_line(error, 160)) from error
        return run

    def grids(self, input_shape: tuple) -> dict[str, Grid]:
        """Each output's grid, by key, for inputs (C, H, W) that were run."""
        return dict(self._plans[tuple(input_shape)].grids)

    def steps(self, input_shape: tuple) -> dict[str, Steps]:
        """By output key, the multiples (px) at which a crop keeps its grid.

        None where a grid before it has a stride that is no whole number.
        """
        return dict(self._plans[tuple(input_shape)].steps)

    def follow_graph(self, wanted: bool) -> None:
        """Follow autograd's graph, or every operation, from now on.

        A graph costs little, and tells nothing of what shortcuts have to know
        (``noticed``): so its plans are no good for them.
        """
        if self._from_graph and not wanted:
            self.forget()
        self._by_graph = wanted and not self._graph_failed

    def forget(self) -> None:
        """Forget what earlier forwards have shown."""
        self._plans.clear()
        self._outputs.clear()
        self._behaved.clear()
        self._calls, self._from_graph = self.calls, False

    def again(self) -> LayerScores:
        """The same layers, with nothing known of earlier forwards."""
        return LayerScores(self.layers, self.front, self.calls, self.noticed)

    def only(self, keys: Iterable[str]) -> LayerScores:
        """The same for some output keys of the first forward."""
        chosen = set(keys)
        layers = [v for key, v in self._outputs.items() if key in chosen]
        only = LayerScores(layers, self.front, self._calls, self.noticed)
        only._outputs = dict(self._outputs)
        return only
