"""The field of one unit: one backward pass through the graph that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from ..aggregate.accumulator import Accumulator
from ..aggregate.batch_maps import Gathering
from ..assemble import assemble_result, define
from ..attributions.input_gradient import ALL_CHANNELS
from ..errors import MeasurementError
from ..gradient.backward import Gradients
from ..grid.coordinates import UnitYX
from ..options import MeasurementOptions
from ..results.erf_result import ERFResult
from ..results.provenance import versions
from ..running.precision import precision
from ..state.isolation import preserved
from ..targets.base import keyed_parts
from ..targets.pass_context import BoundTarget
from .question import Question
from .run_once import RunOnce

RUN_ON = 'whole image, whose graph is kept'


def measure_unit(
    ran: RunOnce,
    question: Question,
    gradients: Gradients,
    layer: str,
    unit: UnitYX,
    options: MeasurementOptions,
    provenance: Mapping,
) -> ERFResult:
    """Measure one unit of one layer.

    Args:
        ran (RunOnce): The forward.
        question (Question): What is scored, and how it is shared out.
        gradients (Gradients): Runs the backward pass.
        layer (str): Its key; one that was kept.
        unit (tuple[int, int]): Row and column in the layer's output.
        options (MeasurementOptions): Gives the shares.
        provenance (mapping): Stored with the result.

    Raises:
        ERFError: As for :meth:`Explorer.result`.
    """
    output, context = ran.outputs[layer]
    target, attribution = question.at(unit), question.attribution
    gathering = Gathering([ran.batch.names[0]], ran.size)
    with _as_it_ran(ran):
        bound = BoundTarget(target, ran.known)
        for key, part in keyed_parts(bound, output, context).items():
            gradient = gradients.of(key, part.scores, ran.leaf, retain=True)
            for maps in attribution.maps_of(
                part.detached(), gradient, ALL_CHANNELS
            ):
                gathering.add(maps)
    accumulators: dict[str, Accumulator] = {}
    gathering.join([layer], ran.grids, accumulators, {})
    ((key, accumulator),) = accumulators.items()
    if not accumulator.count:
        raise MeasurementError(f'{key}: the map holds non-finite values')
    why = gradients.fallbacks.get(key)
    known = {
        **versions(),
        **ran.switched_off.provenance,
        'run_on': f'{RUN_ON} (ordinary autograd: {why})' if why else RUN_ON,
        'image': ran.batch.names[0],
    }
    return assemble_result(
        key, accumulator, [ran.grids[layer]], (None, None), target,
        attribution, options,
        define(target, attribution, ran.batch.kind, None),
        {**known, **provenance},
    )  # fmt: skip


@contextmanager
def _as_it_ran(ran: RunOnce) -> Iterator[None]:
    """The model as it was run, for what a backward pass runs again."""
    with (
        preserved(ran.model, parameters=False),
        torch.inference_mode(False),
        torch.enable_grad(),
        precision(ran.leaf.device.type, None),
        ran.switched_off.applied(),
    ):
        yield
