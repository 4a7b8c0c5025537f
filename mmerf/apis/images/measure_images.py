"""Measure the images of a source in all processes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from mmengine.dist import all_gather_object, get_world_size

from ...core.errors import ConfigError, ImageError
from ...core.measurement import Measurement
from ...core.results.erf_result import ERFResult
from ...engine.ranks import gather_failures, merge_over_ranks
from ...engine.selection import chosen_indices
from ..run_notes import skipped_reasons
from ..stopping import ToleranceStop, spread_indices
from .batches import images_of_this_rank, measure_batch, pass_size
from .mean_image import MeanImage
from .source import ImageSource


def measure_images(
    measurement: Measurement,
    source: ImageSource,
    number: int,
    order: str,
    stop: ToleranceStop | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MeanImage:
    """Measure a source's images; each process takes a part of them.

    Args:
        measurement (Measurement): Gets this process's images, and at the end
            the sums of the others'.
        source (ImageSource): Its ``skipped`` likewise.
        number (int): How many images at most.
        order (str): ``'even'``: spread evenly over the source; ``'first'``:
            the first images.
        stop (ToleranceStop, optional): Stops earlier, once the sides meet its
            tolerance.
        progress (callable, optional): Called with (images done, images in
            all).

    Returns:
        MeanImage: Of this process's images.

    Raises:
        ConfigError: If ``stop`` is given for attention or several processes.
        ImageError: If no image could be measured.
        ERFError: If a layer, target or setting does not fit the model.
    """
    if stop is not None:
        _check_stop(measurement)
    choose = chosen_indices if stop is None else spread_indices
    indices = choose(len(source.paths), number, order)
    own = images_of_this_rank(indices)
    measurement.expect(len(own))
    failure, mean = None, MeanImage(source.bgr)
    try:
        for batch in source.batches(own, partial(pass_size, measurement)):
            mean.add(batch['inputs'])
            measure_batch(measurement, batch, source)
            if progress is not None:
                done = measurement.seen + len(source.skipped)
                done = min(done * get_world_size(), len(indices))
                progress(done, len(indices))
            if stop is not None and stop.satisfied(measurement):
                break
    except Exception as error:
        if get_world_size() == 1:
            raise
        failure = error  # raised below, once all processes have gathered
    for any_failure in gather_failures(failure):
        raise any_failure
    merge_over_ranks(measurement)
    for skipped in all_gather_object(source.skipped):
        source.skipped.update(skipped)
    if not measurement.seen:
        raise ImageError(
            f'none of the {len(indices)} image(s) of {source.where} could be '
            f'measured: {skipped_reasons(source.skipped)}'
        )
    return mean


def _check_stop(measurement: Measurement) -> None:
    if measurement.kind != 'erf':
        raise ConfigError(
            "num_images='auto' needs sides, which pictures of attention do "
            'not have; give a number'
        )
    if get_world_size() > 1:
        raise ConfigError(
            "num_images='auto' runs in one process; give a number"
        )


def image_under_maps(
    mean: MeanImage,
    measurement: Measurement,
    results: Mapping[str, ERFResult],
) -> np.ndarray | None:
    """The mean image, or the only one, at the (H, W) of the results' maps.

    None if the maps do not lie on one image: windows, several sizes, units
    at different pixels.
    """
    shapes = {result.map.shape for result in results.values()}
    if (
        measurement.input_kind != 'whole image'
        or len(shapes) != 1
        or any(result.coverage is not None for result in results.values())
    ):
        return None
    resized = measurement.options.input_size is not None
    return mean.picture(shapes.pop(), resized)
