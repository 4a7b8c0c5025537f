"""Every image's own results, with the image to draw under them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from mmengine.dist import get_world_size

from ...core.errors import ConfigError
from ...core.measurement import Measurement
from ...core.results.erf_result import ERFResult
from .mean_image import MeanImage
from .measure_images import image_under_maps
from .source import ImageSource


@dataclass
class ImageRun:
    """Results of one image.

    Attributes:
        name (str): The image's path.
        results (dict[str, ERFResult]): By layer; without the keys whose
            target the image has not.
        image (np.ndarray, optional): As :meth:`MeanImage.picture` gives it,
            (H, W) of the maps; None if they do not lie on it.
    """

    name: str
    results: dict[str, ERFResult]
    image: np.ndarray | None = field(default=None, repr=False)


def check_one_process() -> None:
    """Raise ConfigError where several processes measure together."""
    if get_world_size() > 1:
        raise ConfigError(
            'per_image runs in one process, which keeps every map; start it '
            'without --launcher'
        )


def image_runs(
    measurement: Measurement, source: ImageSource, provenance: Mapping
) -> list[ImageRun]:
    """Every measured image's results; loads the images once more.

    Args:
        measurement (Measurement): With the option ``per_image``.
        source (ImageSource): That was measured.
        provenance (mapping): Stored with every result.
    """
    index = {path: i for i, path in enumerate(source.paths)}
    runs = []
    for name, results in measurement.compute_each(provenance):
        shown = MeanImage(source.bgr)
        if name in index and os.path.isfile(name):  # not numbered
            shown.add([source.load(index[name])['inputs']])
        picture = image_under_maps(shown, measurement, results)
        runs.append(ImageRun(name, results, picture))
    return runs
