"""Batches of a run: which images a rank measures, and how a failure ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.dataset import DefaultSampler

from ...core.context.base import UnitMeasurement
from ...core.errors import BatchError, ERFError, MeasurementError, one_line
from ...core.measurement import Measurement
from ...core.running.memory import is_out_of_memory
from ...engine.batches.prepare_batch import prepare
from .source import ImageSource


def images_of_this_rank(indices: Sequence[int]) -> list[int]:
    """The indices of this rank, divided as a validation's sampler does."""
    sampler = DefaultSampler(indices, shuffle=False, round_up=False)
    return [indices[i] for i in sampler]


def pass_size(measurement: Measurement) -> int:
    """Images to load for the next pass; one until a GPU's memory is known."""
    first = next(measurement.model.parameters(), None)
    on_gpu = first is not None and first.is_cuda
    return measurement.batch_size or (on_gpu and measurement.fitting) or 1


def measure_batch(
    measurement: Measurement | UnitMeasurement,
    data_batch: dict,
    source: ImageSource,
) -> None:
    """Measure a batch; if that fails, each image alone, skipping failures.

    Args:
        measurement (Measurement or UnitMeasurement): Gets the images.
        data_batch (dict): As a data loader collates it.
        source (ImageSource): ``skipped`` gets the images that fail.

    Raises:
        ERFError: What no other image would mend: a layer, target or setting.
        MeasurementError: If memory does not suffice for one image.
    """
    before, size = measurement.seen, data_batch['inputs'][0].shape[-2:]
    try:
        batch = prepare(
            measurement.model,
            data_batch,
            layers=measurement.layers,
            preprocessor=source.preprocessor,
        )
        size = measurement.options.input_size or batch.inputs.shape[-2:]
        measurement.update(batch)
    except Exception as error:  # the model's code may raise anything
        if isinstance(error, ERFError) and not isinstance(error, BatchError):
            raise
        if is_out_of_memory(error):
            raise MeasurementError(
                'out of memory with one image; use a smaller --input-size, '
                'or fewer --layers'
            ) from error
        count = len(data_batch['inputs'])
        if count > 1:
            for i in range(measurement.seen - before, count):
                one = {key: [value[i]] for key, value in data_batch.items()}
                measure_batch(measurement, one, source)
            return
        source.skipped[_name_of(data_batch)] = (
            f'the model does not run on its {size[0]} x {size[1]} input: '
            f'{one_line(error)}'
        )


def _name_of(data_batch: Mapping) -> str:
    sample = (data_batch.get('data_samples') or [None])[0]
    meta = getattr(sample, 'metainfo', {})
    return str(meta.get('img_path', 'an image'))
